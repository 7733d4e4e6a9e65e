/** Does the text at `at` begin so? Never looks past the first difference, so not past a line end either. */
export function startsWith(bytes: Uint8Array, at: number, text: ArrayLike<number>): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** ASCII text as bytes. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Finds a text in bytes, stepping over as many of them as the one under its last byte allows. */
export class TextSearch {
  readonly #text: Uint8Array;
  /** How far the start of the text can be moved on, by the byte that its last one meets. */
  readonly #skip: Uint8Array;

  constructor(text: string) {
    this.#text = encode(text);
    this.#skip = new Uint8Array(256).fill(text.length);
    this.#text.subarray(0, -1).forEach((byte, i) => {
      this.#skip[byte] = text.length - 1 - i;
    });
  }

  /** Where the text begins first in `[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const text = this.#text;
    const skip = this.#skip;
    const last = text.length - 1;
    for (let at = start; at + last < end; at += skip[bytes[at + last]!]!) {
      if (bytes[at + last] === text[last] && startsWith(bytes, at, text)) return at;
    }
    return -1;
  }
}

/** Recognises a fixed set of ASCII words in bytes: by length, then byte by byte. */
export class WordSet {
  readonly #byLength: { readonly bytes: Uint8Array; readonly index: number }[][] = [];

  constructor(words: readonly string[]) {
    words.forEach((word, index) => {
      while (this.#byLength.length <= word.length) this.#byLength.push([]);
      this.#byLength[word.length]!.push({ bytes: encode(word), index });
    });
  }

  /** Index of the word that `[start, end)` spells, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    if (end - start >= this.#byLength.length) return -1;
    const candidates = this.#byLength[end - start]!;
    for (let i = 0; i < candidates.length; i++) {
      const { bytes: word, index } = candidates[i]!;
      let at = 0;
      while (at < word.length && bytes[start + at] === word[at]) at++;
      if (at === word.length) return index;
    }
    return -1;
  }
}

/** Names in one table, and bytes in one name. Devices and tasks of a big machine are some thousands. */
const MAX_NAMES = 65_536;
const MAX_NAME = 256;

/**
 * Numbers the names that occur in a text, in the order of their first occurrence.
 *
 * @public
 */
export class NameTable {
  /** The names, by number. */
  readonly names: string[] = [];
  readonly #bytes: Uint8Array[] = [];
  /** First name with a hash, and by name the next one with the same hash. */
  readonly #first = new Map<number, number>();
  readonly #next: number[] = [];
  /**
   * The name found last, or -1: lines of one device follow one another.
   *
   * Invariant *last*: only its bytes are compared, and names never change or go.
   */
  #last = -1;

  /** Number of the name that `[start, end)` spells; -1 if it is empty, too long, or one too many. */
  number(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length <= 0 || length > MAX_NAME) return -1;
    if (this.#last >= 0 && this.#is(this.#last, bytes, start, length)) return this.#last;
    let hash = length;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
    const first = this.#first.get(hash) ?? -1;
    for (let name = first; name >= 0; name = this.#next[name]!) {
      if (this.#is(name, bytes, start, length)) {
        this.#last = name;
        return name;
      }
    }
    if (this.names.length >= MAX_NAMES) return -1;
    return this.#add(hash, first, bytes.slice(start, end));
  }

  #add(hash: number, next: number, bytes: Uint8Array): number {
    const number = this.names.length;
    this.names.push(decode(bytes));
    this.#bytes.push(bytes);
    this.#next.push(next);
    this.#first.set(hash, number);
    this.#last = number;
    return number;
  }

  #is(name: number, bytes: Uint8Array, start: number, length: number): boolean {
    const known = this.#bytes[name]!;
    if (known.length !== length) return false;
    for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
    return true;
  }
}

/** A name as text: UTF-8, or what is none byte by byte. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  }
}
