import { TRACE_PREFIX } from "../../spapr/trace-events.ts";
import { isBlank } from "./shown-text.ts";
import { compileText, TextMatcher, type TextProgram } from "./text-program.ts";
import type { QemuTraceEvent } from "./trace-event.ts";
import { SCHEMAS, type TraceSchema } from "./trace-schema.ts";
import { encode, startsWith } from "./words.ts";

/** What a schema says of a line. */
interface Line {
  readonly schema: TraceSchema;
  /** The whole line. */
  readonly program: TextProgram;
  /** The text up to the first argument. */
  readonly head: Uint8Array<ArrayBuffer>;
}

/** Events by the first letter of their name, after what all names begin with (and `pci_`). */
type ByLetter = readonly (readonly Line[])[];

const PREFIX = encode(TRACE_PREFIX);
const PCI = encode("pci_");
const LINES = SCHEMAS.map((schema) => ({
  schema,
  program: compileText(schema),
  head: encode(schema.name + schema.fields[0]!.before),
}));
const BY_LETTER = linesByLetter(false);
const PCI_BY_LETTER = linesByLetter(true);

/** Reads the text of an event of QEMU, from its name on. */
export class EventText {
  readonly #event: QemuTraceEvent;
  readonly #matcher = new TextMatcher();
  /**
   * What the line before was: most lines are of the same event.
   *
   * Invariant *alone*: no line is two events, since what stands before an argument differs or the name does, so that
   * it does not matter which event is tried first.
   */
  #last: Line = BY_LETTER["p".charCodeAt(0)]![0]!;

  /** @param event takes what is read */
  constructor(event: QemuTraceEvent) {
    this.#event = event;
  }

  /** The schema of the event that was read last; and where each of its numbers begins and ends. */
  get schema(): TraceSchema {
    return this.#last.schema;
  }
  get places(): readonly number[] {
    return this.#matcher.places;
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

  #match({ schema, program }: Line, bytes: Uint8Array, view: DataView, at: number): number {
    const event = this.#event;
    event.kind = schema.kind;
    event.pci = schema.pci;
    return this.#matcher.match(program, bytes, view, at, event.words);
  }

  /** Does a name of ours stand at `at`, and nothing else before the line's end? It may be a part of another text. */
  isName(bytes: Uint8Array, at: number, end: number): boolean {
    const text = textOf(bytes, at, end);
    return LINES.some(
      ({ schema }) => text.length === schema.name.length && startsWith(encode(schema.name), 0, text),
    );
  }

  /** Does a name of ours stand at `at`, with the text up to its first argument, or with what the line's end leaves of it? */
  begins(bytes: Uint8Array, at: number, end: number): boolean {
    return (
      this.#candidatesAt(bytes, at).some(({ head }) => startsWith(bytes, at, head)) || isCut(bytes, at, end)
    );
  }

  /** The events that a name may be, by its first letter that is not the same in all. */
  #candidatesAt(bytes: Uint8Array, name: number): readonly Line[] {
    const at = name + PREFIX.length;
    return startsWith(bytes, at, PCI) ? PCI_BY_LETTER[bytes[at + PCI.length]!]! : BY_LETTER[bytes[at]!]!;
  }
}

/** Ends the line in a name, or behind it, but before the first argument? */
function isCut(bytes: Uint8Array, at: number, end: number): boolean {
  const text = textOf(bytes, at, end);
  return (
    text.length > PREFIX.length &&
    LINES.some(({ head }) => text.length < head.length && startsWith(head, 0, text))
  );
}

/** What stands there, without blanks at its end. */
function textOf(bytes: Uint8Array, at: number, end: number): Uint8Array {
  let to = end;
  while (to > at && isBlank(bytes[to - 1]!)) to--;
  return bytes.subarray(at, to);
}

function linesByLetter(pci: boolean): ByLetter {
  const byLetter = new Array<readonly Line[]>(256).fill([]);
  for (const line of LINES) {
    if (line.schema.pci !== pci) continue;
    const letter = line.schema.name.charCodeAt(PREFIX.length + (pci ? PCI.length : 0));
    byLetter[letter] = [...byLetter[letter]!, line];
  }
  return byLetter;
}
