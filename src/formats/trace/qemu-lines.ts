import { DECIMAL, HEX, REST, VALUES } from "../lines/line-matcher.ts";
import type { EventText } from "./event-text.ts";
import type { MatchedText } from "./matched-text.ts";
import type { QemuTraceEvent } from "./trace-event.ts";
import { D64, SCHEMAS, type TraceField, type TraceSchema, X64 } from "./trace-schema.ts";

/** Arguments that differ from line to line. */
const CHANGING: readonly string[] = ["ioba", "tce", "list", "last", "pages", "busOffset"];

/** Decimal digits that a matcher reads. */
const MAX_DIGITS = 16;
const ZERO = 0x30;

/** Of each schema the fields that change, with their numbers and how to read them, and the others. */
interface Shape {
  readonly changing: readonly (readonly [field: number, way: number])[];
  readonly changingWords: Uint8Array;
  readonly words: Uint8Array;
}

const SHAPES: ReadonlyMap<TraceSchema, Shape> = new Map(
  SCHEMAS.map((schema) => {
    const isChanging = ({ name, type }: TraceField): boolean =>
      (type === X64 || type === D64) && CHANGING.includes(name);
    return [
      schema,
      {
        changing: schema.fields.flatMap((field, i) =>
          isChanging(field) ? [[i, field.type === X64 ? HEX : DECIMAL] as const] : [],
        ),
        changingWords: wordsOf(schema.fields.filter(isChanging)),
        words: wordsOf(schema.fields.filter((field) => !isChanging(field))),
      },
    ];
  }),
);

function wordsOf(fields: readonly TraceField[]): Uint8Array {
  return Uint8Array.from(fields, ({ word }) => word);
}

/** What lines say that are the same but for {@link CHANGING} arguments. */
interface KnownLine {
  readonly kind: number;
  readonly pci: boolean;
  /** Places of numbers in the words of an event, and these: the high half of each, then the low one. */
  readonly words: Uint8Array;
  readonly numbers: Uint32Array;
  /** Places of those that differ. */
  readonly changing: Uint8Array;
}

/**
 * Reads events of QEMU's log again, from their name on, that differ from events before in {@link CHANGING} arguments only.
 *
 * Invariant *again*: all else of such a line is there byte for byte, and says the same once more.
 *
 * Invariant *last*: as long as that line is read again and nothing else, its own numbers are in the event.
 */
export class QemuLines {
  readonly #event: QemuTraceEvent;
  readonly #text: MatchedText;
  #known: KnownLine[] = [];
  /** Number of the line that the event was read from last; -1 for any other. */
  #last = -1;

  /** @param text in which lines are found again */
  constructor(event: QemuTraceEvent, text: MatchedText) {
    this.#text = text;
    this.#event = event;
  }

  /** Reads the event of a line that was found. */
  readAgain(records: Uint32Array, record: number): void {
    const number = records[record + REST]!;
    const { kind, pci, words, numbers, changing } = this.#known[number]!;
    const event = this.#event;
    const taken = event.words;
    event.kind = kind;
    event.pci = pci;
    if (number !== this.#last) {
      this.#last = number;
      for (let i = 0; i < words.length; i++) {
        taken[words[i]!] = numbers[i * 2]!;
        taken[words[i]! + 1] = numbers[i * 2 + 1]!;
      }
    }
    for (let i = 0, value = record + VALUES; i < changing.length; i++, value += 2) {
      taken[changing[i]!] = records[value]!;
      taken[changing[i]! + 1] = records[value + 1]!;
    }
  }

  /** The event is read in another way. */
  readOther(): void {
    this.#last = -1;
  }

  /** Keeps the event from its name to the next line, which `text` has read last. */
  keep(text: EventText, bytes: Uint8Array, name: number, next: number): void {
    const matcher = this.#text.keeper();
    if (matcher === undefined) return;
    const { kind, pci } = text.schema;
    const { changing, changingWords, words } = SHAPES.get(text.schema)!;
    const places: number[] = [];
    for (const [field, way] of changing) {
      const start = text.places[field * 2]!;
      const end = text.places[field * 2 + 1]!;
      // A negative number would not be found again.
      if (way === DECIMAL && (end - start > MAX_DIGITS || bytes[start]! < ZERO)) return;
      places.push(start, end, way);
    }
    if (!matcher.makeRoom(next - name)) this.#known = [];
    if (matcher.keepRest(name, places, next) < 0) return;
    const read = this.#event.words;
    const numbers = Uint32Array.from([...words].flatMap((word) => [read[word]!, read[word + 1]!]));
    this.#known.push({ kind, pci, words, numbers, changing: changingWords });
  }
}
