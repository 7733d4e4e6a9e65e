import { MATCHER_CODE } from "./line-matcher-code.ts";

/** Ways to read a value: 1 to 16 hexadecimal digits, or decimal ones, or up to the next blank or line end. */
export const HEX = 0;
export const DECIMAL = 1;
export const WORD = 2;

/** Values of a line that can be kept. */
export const MAX_VALUES = 40;

// Words of the record of a line: numbers of its head (of a line without heads: its thread) and of its rest, its time, and where
// that ends, or 0 if it has none; where the next line begins, or 0 if this one was not found; two that are 0; where the next
// record is, and the values.
export const HEAD = 0;
export const REST = 1;
export const SECONDS = 2;
export const NANOSECONDS = 3;
export const TIME = 4;
export const NEXT = 5;
export const NOTHING = 6;
export const NEXT_RECORD = 8;
export const VALUES = 10;

/** What is compiled from `tools/matcher/line-matcher.ts`. Positions are in its memory, 0 for none. */
interface MatcherCode {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Bytes of lines that it begins with; where it has records of lines, and places of values that are to be kept. */
  readonly TEXT_BYTES: { readonly value: number };
  readonly RECORDS: { readonly value: number };
  readonly RECORDS_END: { readonly value: number };
  readonly PLACES: { readonly value: number };
  findLines(at: number, end: number, hasHeads: boolean): number;
  /** Forgets all that was kept; the next numbers are 0. */
  forget(): void;
  hasRoom(bytes: number): number;
  /** Keeps a text, and returns its number; -1 if that did not come before. */
  keepHead(at: number, length: number): number;
  keepRest(at: number, values: number, end: number): number;
}

/** What is used of WebAssembly, which is everywhere; the types of its library are not. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** What a matcher did: it forgot all, or was told to keep a text, which it does when that comes for the second time. */
export type Note =
  | { readonly kind: "forget"; readonly generation: number }
  | { readonly kind: "head"; readonly text: Uint8Array }
  /** With the places of its values, from its beginning on. */
  | { readonly kind: "rest"; readonly text: Uint8Array; readonly places: readonly number[] };

/**
 * What a matcher did, for another one that is to do the same.
 *
 * Invariant *numbers*: of two matchers that did the same, in the same order, each text has the same number.
 */
export interface Notes {
  /** Those that nobody took yet; none from before all was forgotten. */
  list: Note[];
  /** How often all was forgotten since they began: numbers from before mean nothing. */
  generation: number;
}

let compiled: object | undefined;

/**
 * Finds again what lines say that differ from lines before in their numbers only, in WebAssembly: docs/speed.md has what it
 * gains.
 *
 * A line is a head (text up to its time), a time, and a rest (text with values in it, up to the next line). Heads and rests
 * get numbers when they are kept; what they mean is the affair of who keeps them.
 *
 * Invariant *same*: what is found has, but for its values, the bytes of what was kept.
 */
export class LineMatcher {
  /** The lines are to be here: positions are in it. */
  readonly text: Uint8Array<ArrayBuffer>;
  /**
   * Records of lines that were found. A value is two words: the high half of a number, then the low one; of a {@link WORD} where
   * it begins and ends.
   */
  readonly records: Uint32Array;
  readonly #code: MatcherCode;
  readonly #places: Int32Array;
  #notes: Notes | undefined;
  /** Does nobody know yet that all was forgotten? */
  #isForgotten = false;

  constructor() {
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(MATCHER_CODE), (one) => one.charCodeAt(0)));
    this.#code = new WebAssembly.Instance(compiled).exports as MatcherCode;
    const { memory, TEXT_BYTES, RECORDS, RECORDS_END, PLACES } = this.#code;
    this.text = new Uint8Array(memory.buffer, 0, TEXT_BYTES.value);
    this.records = new Uint32Array(memory.buffer, RECORDS.value, (RECORDS_END.value - RECORDS.value) / 4);
    this.#places = new Int32Array(memory.buffer, PLACES.value, MAX_VALUES * 3);
  }

  /**
   * Finds the lines in `[at, end)`, one after the other, until one is not found or there are many; returns where the record is of
   * the one after these: what it has is what was found of that line, and if its {@link NEXT} is not 0, nobody looked for it.
   *
   * @param hasHeads a line is a head, a time and a rest; if not, a rest, before which thread and time may stand as QEMU writes them
   */
  findLines(at: number, end: number, hasHeads: boolean): number {
    return this.#code.findLines(at, end, hasHeads);
  }

  /** Where it is noted what this does; undefined if it is not. */
  get notes(): Notes | undefined {
    return this.#notes;
  }

  /** Forgets all, and notes what it does from here on: in these notes, and no longer in those before. */
  beginNotes(): Notes {
    this.#notes = { list: [], generation: 0 };
    this.#forget();
    return this.#notes;
  }

  /** Notes nothing any more. */
  endNotes(): void {
    this.#notes = undefined;
  }

  /** Does what another one did. The text is put where the lines are, of which none may be there. */
  follow(note: Note): void {
    if (note.kind === "forget") {
      this.#forget();
      return;
    }
    this.text.set(note.text);
    if (note.kind === "head") this.keepHead(0, note.text.length);
    else this.keepRest(0, note.places, note.text.length);
  }

  /**
   * Makes room for a head and a rest of so many bytes together. False if all was forgotten for that, or since this was asked last:
   * whoever asks has to forget what the numbers meant.
   */
  makeRoom(bytes: number): boolean {
    const hasRoom = this.#code.hasRoom(bytes + (MAX_VALUES + 4) * 32) !== 0;
    if (!hasRoom) this.#forget();
    const wasForgotten = this.#isForgotten;
    this.#isForgotten = false;
    return !wasForgotten;
  }

  /** Keeps a head of at least eight bytes; returns its number, one more each time, or -1 if it did not come before. */
  keepHead(start: number, end: number): number {
    this.#notes?.list.push({ kind: "head", text: this.text.slice(start, end) });
    return this.#code.keepHead(start, end - start);
  }

  /**
   * Keeps a rest in `[start, end)` with its line end. Before its first value it has eight bytes, a `=` and a blank; before its
   * line end it has no control character.
   *
   * @param places start, end and way of each value
   * @returns its number, one more each time, or -1 if it did not come before
   */
  keepRest(start: number, places: readonly number[], end: number): number {
    this.#notes?.list.push({
      kind: "rest",
      text: this.text.slice(start, end),
      places: places.map((place, i) => (i % 3 < 2 ? place - start : place)),
    });
    this.#places.set(places);
    return this.#code.keepRest(start, places.length / 3, end);
  }

  #forget(): void {
    this.#code.forget();
    this.#isForgotten = true;
    if (this.#notes === undefined) return;
    this.#notes.list = [{ kind: "forget", generation: ++this.#notes.generation }];
  }
}

/** A matcher; undefined where there is no WebAssembly, or no memory for it: all can be read without one. */
export function makeLineMatcher(): LineMatcher | undefined {
  try {
    return new LineMatcher();
  } catch {
    return undefined;
  }
}
