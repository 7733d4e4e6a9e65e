/** Places of an index that is empty, and those up to which it grows for keys that may come back. */
const FEWEST = 16;
const ENOUGH = 4096;

/** Who keeps something for each number of an index. */
export interface Numbered {
  /**
   * All places are taken: what of so many numbers is not worth its place any more goes, and what the others have moves on
   * to the numbers from 0 on.
   *
   * @returns the old numbers of what is left, in their order
   */
  tidy(count: number): readonly number[];
}

/**
 * Numbers keys of 64 bits, given in halves of either sign, from 0 on. Keys that are not worth it any more go when all
 * places are taken, and not before: addresses that are used once are used again. The others get new numbers then.
 *
 * Keys lie in the order in which they came, and so does what others keep for them: what is used one after the other
 * lies side by side, and the key that comes next is mostly the next one.
 */
export class HalvesIndex {
  /** Keys that there are. */
  count = 0;
  /** By hash: a number and 1, or 0 where no key is. */
  #places = new Int32Array(FEWEST);
  /** Two halves for each number; there are half as many numbers as places. */
  #keys = new Int32Array(FEWEST);
  /**
   * The key that was looked for last, and its number, -1 if it has none: most keys are looked for several times in a row,
   * and come after the same key as before.
   */
  #lastHi = 0;
  #lastLo = 0;
  #last = -1;
  /** Is there such a key? */
  #isLast = false;
  /** Where {@link #look} found a key, or found that it is not. */
  #place = 0;
  readonly #owner: Numbered;

  constructor(owner: Numbered) {
    this.#owner = owner;
  }

  /** The number of a key, or -1. */
  find(hi: number, lo: number): number {
    const high = hi | 0;
    const low = lo | 0;
    if (this.#lastLo === low && this.#lastHi === high && this.#isLast) return this.#last;
    const keys = this.#keys;
    const next = this.#last + 1;
    const isNext = next < this.count && keys[next * 2 + 1] === low && keys[next * 2] === high;
    this.#last = isNext ? next : this.#look(high, low);
    this.#lastHi = high;
    this.#lastLo = low;
    this.#isLast = true;
    return this.#last;
  }

  /** Gives a number to a key that has none. */
  add(hi: number, lo: number): number {
    if (this.count * 2 >= this.#places.length) this.#makeRoom();
    this.#look(hi | 0, lo | 0);
    const number = this.count++;
    this.#keys[number * 2] = hi;
    this.#keys[number * 2 + 1] = lo;
    this.#places[this.#place] = number + 1;
    this.#last = number;
    this.#lastHi = hi | 0;
    this.#lastLo = lo | 0;
    this.#isLast = true;
    return number;
  }

  /** Looks for a key by its hash. */
  #look(high: number, low: number): number {
    const places = this.#places;
    const keys = this.#keys;
    const mask = places.length - 1;
    const mixed = Math.imul(Math.imul(high, 0x2545_f491) ^ low, 0x2c1b_3c6d);
    let place = (mixed ^ (mixed >>> 15)) & mask;
    let number = places[place]! - 1;
    while (number >= 0 && (keys[number * 2 + 1] !== low || keys[number * 2] !== high)) {
      place = (place + 1) & mask;
      number = places[place]! - 1;
    }
    this.#place = place;
    return number;
  }

  /** Forgets keys that are not worth it, and takes more places if these were few. */
  #makeRoom(): void {
    const left = this.#owner.tidy(this.count);
    const before = this.#places.length;
    let length = Math.max(before, Math.min(before * 2, ENOUGH));
    while (length < left.length * 4) length *= 2;
    const keys = this.#keys;
    this.count = left.length;
    this.#places = new Int32Array(length);
    this.#keys = new Int32Array(length);
    for (let number = 0; number < left.length; number++) {
      const old = left[number]! * 2;
      this.#look(keys[old]!, keys[old + 1]!);
      this.#keys[number * 2] = keys[old]!;
      this.#keys[number * 2 + 1] = keys[old + 1]!;
      this.#places[this.#place] = number + 1;
    }
    this.#isLast = false;
  }
}
