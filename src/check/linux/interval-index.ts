import { TWO32 } from "../../base/u64.ts";

/** Bytes of a piece of address space. */
export const PIECE = 4096;

/** Intervals that a block has at most; a full one is divided. */
const BLOCK = 64;

/** The piece in which an address lies: exact, as their numbers have 52 bits. */
export const pieceOf = (hi: number, lo: number): number => hi * (TWO32 / PIECE) + Math.floor(lo / PIECE);

/** Some intervals that follow one another by where they begin. */
interface Block<T> {
  readonly firsts: number[];
  readonly lasts: number[];
  readonly items: T[];
}

/**
 * Intervals of similar length, by where they begin: what overlaps an interval begins little before it.
 *
 * Invariant: no block is empty, and all that is in a block begins before or where the next one does.
 */
class SimilarIntervals<T> {
  /** Pieces that one of them takes at most. */
  readonly span: number;
  readonly #blocks: Block<T>[] = [];

  constructor(span: number) {
    this.span = span;
  }

  add(first: number, last: number, item: T): void {
    const at = Math.max(0, this.#blockFor(first));
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push({ firsts: [first], lasts: [last], items: [item] });
      return;
    }
    const to = upperBound(block.firsts, first);
    insert(block.firsts, to, first);
    insert(block.lasts, to, last);
    insert(block.items, to, item);
    if (block.items.length <= BLOCK) return;
    const half = BLOCK / 2;
    this.#blocks.splice(at + 1, 0, {
      firsts: block.firsts.splice(half),
      lasts: block.lasts.splice(half),
      items: block.items.splice(half),
    });
  }

  /** @returns false if it is not there */
  remove(first: number, item: T): boolean {
    for (let at = Math.max(0, this.#blockFor(first, true)); at < this.#blocks.length; at++) {
      const { firsts, lasts, items } = this.#blocks[at]!;
      if (firsts[0]! > first) return false;
      for (let i = lowerBound(firsts, first); i < items.length && firsts[i] === first; i++) {
        if (items[i] !== item) continue;
        take(firsts, i);
        take(lasts, i);
        take(items, i);
        if (items.length === 0) this.#blocks.splice(at, 1);
        return true;
      }
    }
    return false;
  }

  find(first: number, last: number, fits: (item: T) => boolean): T | undefined {
    const from = first - this.span + 1;
    for (let at = Math.max(0, this.#blockFor(from, true)); at < this.#blocks.length; at++) {
      const { firsts, lasts, items } = this.#blocks[at]!;
      if (firsts[0]! > last) return undefined;
      for (let i = lowerBound(firsts, from); i < items.length && firsts[i]! <= last; i++) {
        if (lasts[i]! >= first && fits(items[i]!)) return items[i]!;
      }
    }
    return undefined;
  }

  /**
   * The last block that begins before or at `first`, -1 if all begin behind it.
   *
   * @param before one that begins before it: the first one in which something can begin there
   */
  #blockFor(first: number, before = false): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const begins = this.#blocks[middle]!.firsts[0]!;
      if (before ? begins < first : begins <= first) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/**
 * Finds intervals by the pieces of an address space that they take. Memory and time are those of their number, whatever
 * their length: they are kept apart by length, so that of each length only those near an address are looked at.
 */
export class IntervalIndex<T> {
  /** By length: of up to 4, 16, 64, … pieces. */
  readonly #byLength: SimilarIntervals<T>[] = [];

  /** @param last piece in which it ends */
  add(first: number, last: number, item: T): void {
    this.#similarTo(first, last).add(first, last, item);
  }

  /** Takes out what {@link add} put in; nothing if it did not. */
  remove(first: number, last: number, item: T): void {
    this.#similarTo(first, last).remove(first, item);
  }

  /** One that takes some of these pieces and fits; the shorter ones are looked at first. */
  find(first: number, last: number, fits: (item: T) => boolean): T | undefined {
    for (const similar of this.#byLength) {
      const found = similar.find(first, last, fits);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #similarTo(first: number, last: number): SimilarIntervals<T> {
    let length = 0;
    for (let span = 4; last - first >= span; span *= 4) length++;
    while (this.#byLength.length <= length) {
      this.#byLength.push(new SimilarIntervals(4 ** (this.#byLength.length + 1)));
    }
    return this.#byLength[length]!;
  }
}

/** Index of the first value that is not less. */
function lowerBound(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the first value that is greater. */
function upperBound(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** As `splice`, without the array that it makes. */
function insert<V>(values: V[], at: number, value: V): void {
  values.push(value);
  for (let i = values.length - 1; i > at; i--) values[i] = values[i - 1]!;
  values[at] = value;
}

function take<V>(values: V[], at: number): void {
  for (let i = at + 1; i < values.length; i++) values[i - 1] = values[i]!;
  values.pop();
}
