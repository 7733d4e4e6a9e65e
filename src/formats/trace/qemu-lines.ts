import type { EventText } from "./event-text.ts";
import { DECIMAL, HEX, REST } from "./line-matcher.ts";
import type { MatchedText } from "./matched-text.ts";
import type { QemuTraceEvent } from "./trace-event.ts";
import { D64, SCHEMAS, type TraceField, type TraceSchema, X64 } from "./trace-schema.ts";

/** Arguments that differ from line to line. */
const CHANGING: readonly string[] = ["ioba", "tce", "list", "last", "pages", "busOffset"];

/** Decimal digits that a matcher reads. */
const MAX_DIGITS = 16;
const ZERO = 0x30;

/** The fields of a schema that change: their numbers and how to read them, and their places in the words of an event. */
interface Shape {
  readonly fields: readonly (readonly [field: number, way: number])[];
  readonly places: Uint8Array;
}

const SHAPES: ReadonlyMap<TraceSchema, Shape> = new Map(
  SCHEMAS.map((schema) => {
    const isChanging = ({ name, type }: TraceField): boolean =>
      (type === X64 || type === D64) && CHANGING.includes(name);
    return [
      schema,
      {
        fields: schema.fields.flatMap((field, i) =>
          isChanging(field) ? [[i, field.type === X64 ? HEX : DECIMAL] as const] : [],
        ),
        places: Uint8Array.from(schema.fields.filter(isChanging), ({ word }) => word),
      },
    ];
  }),
);

/** What lines say that are the same but for {@link CHANGING} arguments. */
interface KnownLine {
  readonly kind: number;
  readonly pci: boolean;
  /** The words of such an event, of its own. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Places of those that differ. */
  readonly changing: Uint8Array;
}

/**
 * Reads events of QEMU's log again, from their name on, that differ from events before in {@link CHANGING} arguments only.
 *
 * Invariant *again*: all else of such a line is there byte for byte, and says the same once more.
 *
 * Invariant *own words*: nothing but {@link readAgain} writes the words of a line that is known: to be read in another way,
 * the event gets back the words that it came with.
 */
export class QemuLines {
  readonly #event: QemuTraceEvent;
  readonly #otherWords: Uint32Array<ArrayBuffer>;
  readonly #text: MatchedText;
  #known: KnownLine[] = [];

  /** @param text in which lines are found again */
  constructor(event: QemuTraceEvent, text: MatchedText) {
    this.#text = text;
    this.#event = event;
    this.#otherWords = event.words;
  }

  /** Reads the event whose name begins at `name`; returns where the next line begins, or -1. */
  readAgain(name: number): number {
    const { matcher } = this.#text;
    if (matcher === undefined) return -1;
    const next = matcher.findRest(name);
    if (next === 0) return -1;
    this.#text.found();
    const event = this.#event;
    const { kind, pci, words, changing } = this.#known[matcher.found[REST]!]!;
    event.kind = kind;
    event.pci = pci;
    event.words = words;
    const { values } = matcher;
    for (let i = 0; i < changing.length; i++) {
      words[changing[i]!] = values[i * 2]!;
      words[changing[i]! + 1] = values[i * 2 + 1]!;
    }
    return next;
  }

  /** To be called before the event is read in another way. */
  readOther(): void {
    this.#event.words = this.#otherWords;
  }

  /** Keeps the event from its name to the next line, which `text` has read last. */
  keep(text: EventText, bytes: Uint8Array, name: number, next: number): void {
    const matcher = this.#text.keeper();
    if (matcher === undefined) return;
    const { kind, pci } = text.schema;
    const { fields, places: changing } = SHAPES.get(text.schema)!;
    const places: number[] = [];
    for (const [field, way] of fields) {
      const start = text.places[field * 2]!;
      const end = text.places[field * 2 + 1]!;
      // A negative number would not be found again.
      if (way === DECIMAL && (end - start > MAX_DIGITS || bytes[start]! < ZERO)) return;
      places.push(start, end, way);
    }
    if (!matcher.makeRoom(next - name)) this.#known = [];
    if (matcher.keepRest(name, places, next) < 0) return;
    this.#known.push({ kind, pci, words: this.#event.words.slice(), changing });
  }
}
