/** Places of an index that is empty, and those up to which it grows for keys that may come back. */
const FEWEST = 16;
const ENOUGH = 4096;

/** Who keeps something for each number of an index. */
export interface Numbered {
  /** Is what a number has worth its place, now that all are taken? */
  isKept(number: number): boolean;
  /** What had a number gets a smaller one, of which what it had is gone. */
  move(from: number, to: number): void;
  /** There are only so many numbers now. */
  cut(count: number): void;
}

/**
 * Numbers keys of 64 bits, given in halves of either sign, from 0 on. Keys that are not worth it any more go when all
 * places are taken, and not before: addresses that are used once are used again. The others get new numbers then.
 *
 * Keys lie in the order in which they came, and so does what others keep for them: what is used one after the other
 * lies side by side, and a place is a single word.
 */
export class HalvesIndex {
  /** Keys that there are. */
  count = 0;
  /** By hash: a number and 1, or 0 where no key is. */
  #places = new Int32Array(FEWEST);
  /** Two halves for each number; there are half as many numbers as places. */
  #keys = new Int32Array(FEWEST);
  /**
   * The key that was looked for last, its place and its number, -1 if it has none: most keys are looked for several
   * times in a row.
   *
   * Invariant *last*: a place is that of its key until room is made, and that of a new key is taken only by {@link add}.
   */
  #lastHi = 0;
  #lastLo = 0;
  #lastPlace = -1;
  #last = -1;
  readonly #owner: Numbered;

  constructor(owner: Numbered) {
    this.#owner = owner;
  }

  /** The number of a key, or -1. */
  find(hi: number, lo: number): number {
    const high = hi | 0;
    const low = lo | 0;
    if (this.#lastLo === low && this.#lastHi === high && this.#lastPlace >= 0) return this.#last;
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
    this.#lastHi = high;
    this.#lastLo = low;
    this.#lastPlace = place;
    this.#last = number;
    return number;
  }

  /** Gives a number to a key that has none. */
  add(hi: number, lo: number): number {
    if (this.count * 2 >= this.#places.length) this.#makeRoom();
    this.find(hi, lo);
    const number = this.count++;
    this.#keys[number * 2] = hi;
    this.#keys[number * 2 + 1] = lo;
    this.#places[this.#lastPlace] = number + 1;
    this.#last = number;
    return number;
  }

  /** Forgets keys that are not worth it, and takes more places if these were few. */
  #makeRoom(): void {
    const keys = this.#keys;
    const owner = this.#owner;
    let kept = 0;
    for (let number = 0; number < this.count; number++) {
      if (!owner.isKept(number)) continue;
      if (kept !== number) {
        keys[kept * 2] = keys[number * 2]!;
        keys[kept * 2 + 1] = keys[number * 2 + 1]!;
        owner.move(number, kept);
      }
      kept++;
    }
    owner.cut(kept);
    const before = this.#places.length;
    let length = Math.max(before, Math.min(before * 2, ENOUGH));
    while (length < kept * 4) length *= 2;
    this.count = kept;
    this.#places = new Int32Array(length);
    this.#keys = new Int32Array(length);
    this.#keys.set(keys.subarray(0, kept * 2));
    for (let number = 0; number < kept; number++) {
      this.#lastPlace = -1;
      this.find(keys[number * 2]!, keys[number * 2 + 1]!);
      this.#places[this.#lastPlace] = number + 1;
    }
    this.#lastPlace = -1;
  }
}
