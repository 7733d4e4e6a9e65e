/** Places of a map that is empty, and those up to which it grows for values that may come back. */
const FEWEST = 16;
const ENOUGH = 4096;

/**
 * Values by keys of 64 bits, in halves of either sign. Values that are not worth it any more go when the map is full, and
 * not before: addresses that are used once are used again.
 */
export class HalvesMap<T> {
  /** Two halves for each place. */
  #keys: Int32Array<ArrayBuffer> = new Int32Array(FEWEST * 2);
  /** Undefined at places that no key has taken. */
  #values: (T | undefined)[] = new Array<T | undefined>(FEWEST).fill(undefined);
  #count = 0;
  /**
   * The key that was looked for last, and its place: most keys are looked for several times in a row.
   *
   * Invariant *last*: a place is that of its key until room is made.
   */
  #lastHi = 0;
  #lastLo = 0;
  #lastPlace = -1;
  readonly #isKept: (value: T) => boolean;

  /** @param isKept is a value still worth its place, when the map is full? */
  constructor(isKept: (value: T) => boolean = () => true) {
    this.#isKept = isKept;
  }

  get(hi: number, lo: number): T | undefined {
    return this.#values[this.#placeOf(hi, lo)];
  }

  set(hi: number, lo: number, value: T): void {
    let place = this.#placeOf(hi, lo);
    if (this.#values[place] === undefined) {
      if (this.#count * 2 >= this.#values.length) {
        this.#makeRoom();
        place = this.#placeOf(hi, lo);
      }
      this.#keys[place * 2] = hi;
      this.#keys[place * 2 + 1] = lo;
      this.#count++;
    }
    this.#values[place] = value;
  }

  /** In no order. */
  forEach(visit: (value: T) => void): void {
    for (const value of this.#values) if (value !== undefined) visit(value);
  }

  /** The place of a key, or the free one that it would get. */
  #placeOf(hi: number, lo: number): number {
    const high = hi | 0;
    const low = lo | 0;
    if (this.#lastLo === low && this.#lastHi === high && this.#lastPlace >= 0) return this.#lastPlace;
    const keys = this.#keys;
    const values = this.#values;
    const last = values.length - 1;
    const mixed = Math.imul(Math.imul(high, 0x2545_f491) ^ low, 0x2c1b_3c6d);
    let place = (mixed ^ (mixed >>> 15)) & last;
    while (values[place] !== undefined && (keys[place * 2 + 1] !== low || keys[place * 2] !== high)) {
      place = (place + 1) & last;
    }
    this.#lastHi = high;
    this.#lastLo = low;
    this.#lastPlace = place;
    return place;
  }

  /** Forgets the keys of values that are gone or not worth it, and takes more places if these were few. */
  #makeRoom(): void {
    const keys = this.#keys;
    const values = this.#values;
    let kept = 0;
    for (let place = 0; place < values.length; place++) {
      const value = values[place];
      if (value === undefined) continue;
      if (this.#isKept(value)) kept++;
      else values[place] = undefined;
    }
    let length = Math.max(values.length, Math.min(values.length * 2, ENOUGH));
    while (length < kept * 4) length *= 2;
    this.#keys = new Int32Array(length * 2);
    this.#values = new Array<T | undefined>(length).fill(undefined);
    this.#count = kept;
    this.#lastPlace = -1;
    for (let place = 0; place < values.length; place++) {
      const value = values[place];
      if (value === undefined) continue;
      const to = this.#placeOf(keys[place * 2]!, keys[place * 2 + 1]!);
      this.#keys[to * 2] = keys[place * 2]!;
      this.#keys[to * 2 + 1] = keys[place * 2 + 1]!;
      this.#values[to] = value;
    }
    this.#lastPlace = -1;
  }
}

/**
 * Takes a value out of a short list; the others stay in order.
 *
 * @returns false if it is not there
 */
export function takeOut<T>(list: T[], value: T): boolean {
  let at = list.length - 1;
  while (at >= 0 && list[at] !== value) at--;
  if (at < 0) return false;
  for (let next = at + 1; next < list.length; next++) list[next - 1] = list[next]!;
  list.pop();
  return true;
}
