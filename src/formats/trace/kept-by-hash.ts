import type { KeptText } from "./kept-text.ts";

/** log2 of the number of places for texts; where two need the same one, the one that was read last has it. */
const PLACE_BITS = 12;

const PLACES = 2 ** PLACE_BITS;

/** What is there before anything was kept: readers are made by the thousand, and most of them keep nothing. */
const NONE: readonly undefined[] = new Array<undefined>(PLACES).fill(undefined);
const NO_HASHES = new Int32Array(PLACES);

/** Something that was read, and the text that said it. */
export interface Kept {
  readonly text: KeptText;
  /** What came after it when it came last: see {@link KeptByHash.guess}. */
  next: Kept | undefined;
}

/**
 * What was read of texts that come again and again. It is found by the text that came before it, or by its hash, and is
 * kept from the second time on that its text comes, so that what comes once costs little.
 */
export class KeptByHash<T extends Kept> {
  #kept: (T | undefined)[] = NONE as undefined[];
  /** The hash that came last, by place. */
  #hashes = NO_HASHES;
  #last: T | undefined;

  /** What came after the text that was found last when that came before; compare its text with what is there now. */
  get guess(): T | undefined {
    return this.#last?.next as T | undefined;
  }

  /** What may have been read of a text; compare its own with that. */
  get(hash: number): T | undefined {
    return this.#kept[placeOf(hash)];
  }

  /** It was found, by hash or as the guess. */
  found(kept: T): void {
    const last = this.#last;
    this.#last = kept;
    if (last !== undefined && last.next !== kept) last.next = kept;
  }

  /** @param make makes what is kept of a text with this hash */
  keep(hash: number, make: () => T): void {
    if (this.#hashes === NO_HASHES) {
      this.#kept = NONE.slice();
      this.#hashes = new Int32Array(PLACES);
    }
    const place = placeOf(hash);
    if (this.#hashes[place] === hash) this.#kept[place] = make();
    this.#hashes[place] = hash;
  }
}

const placeOf = (hash: number): number => hash >>> (32 - PLACE_BITS);

/** A hash that goes on with four more bytes; what it tells of them is in its high bits. */
export const hashOn = (hash: number, word: number): number => Math.imul(hash ^ word, 0x2c1b_3c6d);
