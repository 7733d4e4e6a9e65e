import { MATCHER_CODE } from "./line-matcher-code.ts";

/** Ways to read a value: 1 to 16 hexadecimal digits, or decimal ones, or up to the next blank or line end. */
export const HEX = 0;
export const DECIMAL = 1;
export const WORD = 2;

/** Values of a line that can be kept; the one with this number is always 0. */
export const MAX_VALUES = 40;

// Words of what was found: numbers of the head and of the rest, the time, and where that ends, or 0 if the line has another head.
export const HEAD = 0;
export const REST = 1;
export const SECONDS = 2;
export const NANOSECONDS = 3;
export const TIME = 4;

/** What is compiled from `tools/matcher/line-matcher.ts`. Positions are in its memory, 0 for none. */
interface MatcherCode {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Bytes of lines that it begins with; where it has what was found, its values, and places of values that are to be kept. */
  readonly TEXT_BYTES: { readonly value: number };
  readonly FOUND: { readonly value: number };
  readonly VALUES: { readonly value: number };
  readonly PLACES: { readonly value: number };
  /** Finds a head, the time after it and a rest at `at`; returns where the next line begins. */
  findLine(at: number): number;
  findRest(at: number): number;
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
   * Values of the rest that was found last: the high half of each, then the low one; of a {@link WORD} where it begins and ends.
   * After the last one that there can be stands 0.
   */
  readonly values: Uint32Array;
  /** What was found last, in words. */
  readonly found: Int32Array;
  readonly #code: MatcherCode;
  readonly #places: Int32Array;

  constructor() {
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(MATCHER_CODE), (one) => one.charCodeAt(0)));
    this.#code = new WebAssembly.Instance(compiled).exports as MatcherCode;
    const { memory, TEXT_BYTES, FOUND, VALUES, PLACES } = this.#code;
    this.text = new Uint8Array(memory.buffer, 0, TEXT_BYTES.value);
    this.values = new Uint32Array(memory.buffer, VALUES.value, (MAX_VALUES + 1) * 2);
    this.found = new Int32Array(memory.buffer, FOUND.value, TIME + 1);
    this.#places = new Int32Array(memory.buffer, PLACES.value, MAX_VALUES * 3);
  }

  /** Finds the line that begins at `at`; returns where the next one does, or 0. */
  findLine(at: number): number {
    return this.#code.findLine(at);
  }

  /** Finds a rest alone. */
  findRest(at: number): number {
    return this.#code.findRest(at);
  }

  /**
   * Is there room for a head and a rest of so many bytes together? Forgets all if not: whoever asks has to forget what the numbers
   * meant.
   */
  makeRoom(bytes: number): boolean {
    const hasRoom = this.#code.hasRoom(bytes + (MAX_VALUES + 4) * 32) !== 0;
    if (!hasRoom) this.#code.forget();
    return hasRoom;
  }

  /** Keeps a head of at least eight bytes; returns its number, one more each time, or -1 if it did not come before. */
  keepHead(start: number, end: number): number {
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
    this.#places.set(places);
    return this.#code.keepRest(start, places.length / 3, end);
  }
}
