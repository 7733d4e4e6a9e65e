import type { KeptText } from "./kept-text.ts";

/** Places for texts; where two need the same one, the one that was read last has it. */
const PLACES = 4096;

/** Something that was read, and the text that said it. */
export interface Kept {
  readonly text: KeptText;
}

/**
 * What was read of texts that come again and again, by their hashes. It is kept from the second time on that its text
 * comes, so that what comes once costs little.
 */
export class KeptByHash<T extends Kept> {
  readonly #kept = new Array<T | undefined>(PLACES).fill(undefined);
  /** The hash that came last, by place. */
  readonly #hashes = new Int32Array(PLACES);

  /** What may have been read of a text: compare its own with that. */
  get(hash: number): T | undefined {
    return this.#kept[placeOf(hash)];
  }

  /** @param make makes what is kept of a text with this hash */
  keep(hash: number, make: () => T): void {
    const place = placeOf(hash);
    if (this.#hashes[place] === hash) this.#kept[place] = make();
    this.#hashes[place] = hash;
  }
}

const placeOf = (hash: number): number => (hash ^ (hash >>> 12)) & (PLACES - 1);

/** A hash that goes on with four more bytes. */
export const hashOn = (hash: number, word: number): number => {
  const mixed = Math.imul(hash ^ word, 0x2c1b_3c6d);
  return mixed ^ (mixed >>> 15);
};
