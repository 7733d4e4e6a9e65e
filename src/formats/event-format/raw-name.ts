import type { NameTable } from "../trace/words.ts";
import type { EventField } from "./event-format.ts";
import { type RawBytes, RawRange } from "./raw-fields.ts";

/** Bytes, with the NUL, of names that are compared as words: those of PCI devices are. */
const MIN_BYTES = 8;
const MAX_BYTES = 16;

/**
 * Numbers the names in a field. The name found last is compared first, in four words that cover it: events of one device
 * follow one another.
 *
 * Invariant *last*: the words and the length are those of a name that has the number, and names never change.
 */
export class RawName {
  readonly #field: EventField;
  readonly #names: NameTable;
  readonly #range = new RawRange();
  #length = -1;
  #first = 0;
  #second = 0;
  #third = 0;
  #fourth = 0;
  #number = -1;

  constructor(field: EventField, names: NameTable) {
    this.#field = field;
    this.#names = names;
  }

  /** The number of the name in an event; -1 if there is none. */
  read(raw: RawBytes, start: number, end: number): number {
    const range = this.#range;
    if (!range.read(raw, this.#field, start, end)) return -1;
    const length = range.end - range.start;
    const hasWords = length >= MIN_BYTES && length <= MAX_BYTES;
    if (!hasWords) return this.#find(raw);
    const { view } = raw;
    const first = view.getInt32(range.start, true);
    const second = view.getInt32(range.start + 4, true);
    const third = view.getInt32(range.end - 8, true);
    const fourth = view.getInt32(range.end - 4, true);
    const isFirst = first === this.#first && second === this.#second;
    if (isFirst && third === this.#third && fourth === this.#fourth && length === this.#length)
      return this.#number;
    this.#first = first;
    this.#second = second;
    this.#third = third;
    this.#fourth = fourth;
    this.#length = length;
    this.#number = this.#find(raw);
    return this.#number;
  }

  #find({ bytes }: RawBytes): number {
    const range = this.#range;
    range.cutText(bytes);
    return this.#names.number(bytes, range.start, range.end);
  }
}
