import { TRACE_PREFIX } from "../../spapr/trace-events.ts";
import { compileText, Stretch, type StretchText, TextMatcher } from "./text-program.ts";
import type { QemuTraceEvent } from "./trace-event.ts";
import { SCHEMAS, type TraceSchema } from "./trace-schema.ts";
import { encode, startsWith } from "./words.ts";

/** What a schema says of a line. */
interface Line {
  readonly schema: TraceSchema;
  /** The whole line. */
  readonly texts: readonly StretchText[];
  /** The text up to the first argument. */
  readonly head: Uint8Array<ArrayBuffer>;
}

/** A line that a reader may find, and what it found of it last. */
interface Candidate extends Line {
  readonly stretches: readonly Stretch[];
}

/** Events by the first letter of their name, after what all names begin with (and `pci_`). */
type ByLetter = readonly (readonly Candidate[])[];

/** What all schemas say: readers are made by the thousand, and most of them read little. */
let lines: readonly Line[] | undefined;

const PREFIX = encode(TRACE_PREFIX);
const PCI = encode("pci_");

/** Reads the text of an event of QEMU, from its name on. */
export class EventText {
  readonly #event: QemuTraceEvent;
  readonly #matcher = new TextMatcher();
  readonly #candidates: ByLetter = candidatesByLetter(false);
  readonly #pciCandidates: ByLetter = candidatesByLetter(true);
  /**
   * What the line before was: most lines are of the same event.
   *
   * Invariant *alone*: no line is two events, since what stands before an argument differs or the name does, so that
   * it does not matter which event is tried first.
   */
  #last: Candidate = this.#candidates["p".charCodeAt(0)]![0]!;

  /** @param event takes what is read */
  constructor(event: QemuTraceEvent) {
    this.#event = event;
  }

  /** Reads an event, from its name to the line end; returns the position after that, or -1. */
  read(bytes: Uint8Array, view: DataView, at: number): number {
    const next = this.#match(this.#last, bytes, view, at);
    if (next >= 0) return next;
    const candidates = this.#candidatesAt(bytes, at);
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]!;
      const end = candidate === this.#last ? -1 : this.#match(candidate, bytes, view, at);
      if (end < 0) continue;
      this.#last = candidate;
      return end;
    }
    return -1;
  }

  #match({ schema, stretches }: Candidate, bytes: Uint8Array, view: DataView, at: number): number {
    const event = this.#event;
    event.kind = schema.kind;
    event.pci = schema.pci;
    return this.#matcher.match(stretches, bytes, view, at, event.words);
  }

  /** Does a name of ours stand at `at`, with the text up to its first argument? */
  begins(bytes: Uint8Array, at: number): boolean {
    return this.#candidatesAt(bytes, at).some(({ head }) => startsWith(bytes, at, head));
  }

  /** The events that a name may be, by its first letter that is not the same in all. */
  #candidatesAt(bytes: Uint8Array, name: number): readonly Candidate[] {
    const at = name + PREFIX.length;
    return startsWith(bytes, at, PCI)
      ? this.#pciCandidates[bytes[at + PCI.length]!]!
      : this.#candidates[bytes[at]!]!;
  }
}

function candidatesByLetter(pci: boolean): ByLetter {
  const byLetter = new Array<readonly Candidate[]>(256).fill([]);
  lines ??= SCHEMAS.map(lineOf);
  for (const line of lines) {
    if (line.schema.pci !== pci) continue;
    const letter = line.schema.name.charCodeAt(PREFIX.length + (pci ? PCI.length : 0));
    const candidate = { ...line, stretches: line.texts.map((text) => new Stretch(text)) };
    byLetter[letter] = [...byLetter[letter]!, candidate];
  }
  return byLetter;
}

const lineOf = (schema: TraceSchema): Line => ({
  schema,
  texts: compileText(schema),
  head: encode(schema.name + schema.fields[0]!.before),
});
