import { hiOfNumber } from "../../base/u64.ts";
import { isOnePiece, lastPieceOf, pieceHi, pieceLo, pieceOf } from "./address-pieces.ts";
import { HalvesIndex, type Numbered } from "./halves-index.ts";

/** Stretches of one level that are one of the next, and levels whose stretches are together all pieces there are. */
const FANOUT = 16;
const LEVELS = 14;

/** 1 / length of a stretch in pieces, by level: a power of two has an exact one, and a product takes less than a division. */
const PER_PIECE = Float64Array.from({ length: LEVELS }, (_, level) => FANOUT ** -level);

/** The number of a stretch has less than 2^52; above it, as the high half of a key, stands the level. */
const LEVEL = 2 ** 20;

/** Words of a stretch: the nodes of its oldest and its newest interval, its parts, and the stretch that it is a part of. */
const OLDEST = 0;
const NEWEST = 1;
const PARTS = 2;
const WHOLE = 3;
const WORDS = 4;

const NONE = -1;

/**
 * Finds intervals of addresses by the pieces of the address space that they take. Memory and time are those of their number,
 * whatever their length: each one stands in the at most two stretches of its own length or little more in which it lies. A
 * stretch is a piece, or 16 of them, 256, …; it is a number of an index, and has a list of nodes, one for each interval.
 *
 * An interval is given by its address, in halves, and its bytes.
 *
 * Invariant *whole*: a stretch that is kept is counted as a part of the next longer one, which has a smaller number.
 */
export class IntervalIndex<T> implements Numbered {
  readonly #index: HalvesIndex = new HalvesIndex(this);
  #stretches = new Int32Array(0);
  /** By node: an interval, and the next node of its stretch or, of one that is free, the next free one. */
  readonly #items: (T | undefined)[] = [];
  readonly #next: number[] = [];
  #free = NONE;
  /** Intervals of each level, and the highest level that ever had one. */
  readonly #counts = new Int32Array(LEVELS);
  #highest = 0;

  add(hi: number, lo: number, bytes: number, item: T): void {
    if (isOnePiece(lo, bytes)) {
      this.#addPiece(this.#pieceAt(hi, lo), hi, lo, item);
      return;
    }
    const first = pieceOf(hi, lo);
    const last = lastPieceOf(hi, lo, bytes);
    const level = levelOf(first, last);
    const from = Math.floor(first * PER_PIECE[level]!);
    const to = Math.floor(last * PER_PIECE[level]!);
    this.#counts[level]!++;
    if (level > this.#highest) this.#highest = level;
    this.#put(this.#stretch(level, from), item);
    if (to !== from) this.#put(this.#stretch(level, to), item);
  }

  /** {@link find}, and then {@link add}: together they look for a piece once. */
  findAndAdd(hi: number, lo: number, bytes: number, fits: (item: T) => boolean, item: T): T | undefined {
    if (!isOnePiece(lo, bytes)) {
      const found = this.find(hi, lo, bytes, fits);
      this.add(hi, lo, bytes, item);
      return found;
    }
    const there = this.#pieceAt(hi, lo);
    const found = this.#findAround(there, hi, lo, fits);
    this.#addPiece(there, hi, lo, item);
    return found;
  }

  /** Adds what lies in one piece, of which the stretch is there or -1. */
  #addPiece(there: number, hi: number, lo: number, item: T): void {
    this.#counts[0]!++;
    this.#put(there >= 0 ? there : this.#stretch(0, pieceOf(hi, lo)), item);
  }

  /** Takes out what {@link add} put in; nothing if it did not. */
  remove(hi: number, lo: number, bytes: number, item: T): void {
    if (isOnePiece(lo, bytes)) {
      if (this.#takeOut(this.#pieceAt(hi, lo), item)) this.#counts[0]!--;
      return;
    }
    const first = pieceOf(hi, lo);
    const last = lastPieceOf(hi, lo, bytes);
    const level = levelOf(first, last);
    const from = Math.floor(first * PER_PIECE[level]!);
    const to = Math.floor(last * PER_PIECE[level]!);
    if (!this.#takeOut(this.#find(level, from), item)) return;
    this.#counts[level]!--;
    if (to !== from) this.#takeOut(this.#find(level, to), item);
  }

  /**
   * One that fits, of those that take some of the pieces in which these addresses lie; it is also asked about others near
   * them. The shorter ones are looked at first.
   */
  find(hi: number, lo: number, bytes: number, fits: (item: T) => boolean): T | undefined {
    if (isOnePiece(lo, bytes)) return this.#findAround(this.#pieceAt(hi, lo), hi, lo, fits);
    const first = pieceOf(hi, lo);
    const last = lastPieceOf(hi, lo, bytes);
    const level = levelOf(first, last);
    const to = Math.floor(last * PER_PIECE[level]!);
    for (let number = Math.floor(first * PER_PIECE[level]!); number <= to; number++) {
      const stretch = this.#find(level, number);
      if (stretch < 0) continue;
      if (this.#stretches[stretch * WORDS + PARTS]! > 0) {
        const found = this.#findInParts(level, number, first, last, fits);
        if (found !== undefined) return found;
      }
      const found = this.#findIn(stretch, fits);
      if (found !== undefined) return found;
    }
    return this.#findLonger(level + 1, first, last, fits);
  }

  /** Looks at the intervals of a piece, of which the stretch is there or -1, and at longer ones. */
  #findAround(there: number, hi: number, lo: number, fits: (item: T) => boolean): T | undefined {
    const found = there < 0 ? undefined : this.#findIn(there, fits);
    if (found !== undefined || this.#highest === 0) return found;
    return this.#findLonger(1, pieceOf(hi, lo), pieceOf(hi, lo), fits);
  }

  /** Looks at the intervals of a level and of those above it. */
  #findLonger(lowest: number, first: number, last: number, fits: (item: T) => boolean): T | undefined {
    for (let level = lowest; level <= this.#highest; level++) {
      if (this.#counts[level] === 0) continue;
      const to = Math.floor(last * PER_PIECE[level]!);
      for (let number = Math.floor(first * PER_PIECE[level]!); number <= to; number++) {
        const stretch = this.#find(level, number);
        const found = stretch < 0 ? undefined : this.#findIn(stretch, fits);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Looks at the intervals of the parts of a stretch, and at those of their parts before these. */
  #findInParts(
    level: number,
    number: number,
    first: number,
    last: number,
    fits: (item: T) => boolean,
  ): T | undefined {
    const from = Math.max(number * FANOUT, Math.floor(first * PER_PIECE[level - 1]!));
    const to = Math.min(number * FANOUT + FANOUT - 1, Math.floor(last * PER_PIECE[level - 1]!));
    for (let part = from; part <= to; part++) {
      const stretch = this.#find(level - 1, part);
      if (stretch < 0) continue;
      if (this.#stretches[stretch * WORDS + PARTS]! > 0) {
        const found = this.#findInParts(level - 1, part, first, last, fits);
        if (found !== undefined) return found;
      }
      const found = this.#findIn(stretch, fits);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Looks at the intervals of one stretch, the oldest first. */
  #findIn(stretch: number, fits: (item: T) => boolean): T | undefined {
    for (let node = this.#stretches[stretch * WORDS + OLDEST]!; node >= 0; node = this.#next[node]!) {
      const item = this.#items[node]!;
      if (fits(item)) return item;
    }
    return undefined;
  }

  /** The stretch that is one piece, if it is there. */
  #pieceAt(hi: number, lo: number): number {
    return this.#index.find(pieceHi(hi), pieceLo(hi, lo));
  }

  /** A stretch, if it is there. */
  #find(level: number, number: number): number {
    return this.#index.find(level * LEVEL + hiOfNumber(number), number | 0);
  }

  /** A stretch, which is made if it is not there, after the one that it is a part of. */
  #stretch(level: number, number: number): number {
    const there = this.#find(level, number);
    if (there >= 0) return there;
    const hasWhole = level + 1 < LEVELS;
    const above = Math.floor(number / FANOUT);
    // It is counted before it is there, so that the longer one stays when the index makes room and gives new numbers.
    if (hasWhole) {
      // It can make the rows anew.
      const longer = this.#stretch(level + 1, above);
      this.#stretches[longer * WORDS + PARTS]!++;
    }
    const made = this.#index.add(level * LEVEL + hiOfNumber(number), number | 0);
    const whole = hasWhole ? this.#find(level + 1, above) : NONE;
    const at = made * WORDS;
    if (at >= this.#stretches.length) this.#grow(at * 2 + WORDS);
    const stretches = this.#stretches;
    stretches[at + OLDEST] = NONE;
    stretches[at + NEWEST] = NONE;
    stretches[at + PARTS] = 0;
    stretches[at + WHOLE] = whole;
    return made;
  }

  #grow(words: number): void {
    const stretches = new Int32Array(words);
    stretches.set(this.#stretches);
    this.#stretches = stretches;
  }

  #put(stretch: number, item: T): void {
    const node = this.#free < 0 ? this.#items.length : this.#free;
    if (node === this.#free) this.#free = this.#next[node]!;
    this.#items[node] = item;
    this.#next[node] = NONE;
    const stretches = this.#stretches;
    const at = stretch * WORDS;
    const newest = stretches[at + NEWEST]!;
    if (newest < 0) stretches[at + OLDEST] = node;
    else this.#next[newest] = node;
    stretches[at + NEWEST] = node;
  }

  /** @returns false if it is not there */
  #takeOut(stretch: number, item: T): boolean {
    if (stretch < 0) return false;
    const stretches = this.#stretches;
    const at = stretch * WORDS;
    let before = NONE;
    let node = stretches[at + OLDEST]!;
    while (node >= 0 && this.#items[node] !== item) {
      before = node;
      node = this.#next[node]!;
    }
    if (node < 0) return false;
    const after = this.#next[node]!;
    if (before < 0) stretches[at + OLDEST] = after;
    else this.#next[before] = after;
    if (after < 0) stretches[at + NEWEST] = before;
    this.#items[node] = undefined;
    this.#next[node] = this.#free;
    this.#free = node;
    return true;
  }

  /** A stretch without intervals and parts goes, and is no part of the longer one any more. */
  tidy(count: number): number[] {
    const stretches = this.#stretches;
    const left: number[] = [];
    const now = new Int32Array(count);
    for (let number = 0; number < count; number++) {
      const at = number * WORDS;
      const whole = stretches[at + WHOLE]!;
      if (stretches[at + OLDEST]! < 0 && stretches[at + PARTS] === 0) {
        if (whole >= 0) stretches[now[whole]! * WORDS + PARTS]!--;
        continue;
      }
      if (whole >= 0) stretches[at + WHOLE] = now[whole]!;
      now[number] = left.length;
      if (number !== left.length) stretches.copyWithin(left.length * WORDS, at, at + WORDS);
      left.push(number);
    }
    return left;
  }
}

/** The level whose stretches are as long as an interval, or little longer: it lies in at most two of them. */
function levelOf(first: number, last: number): number {
  let level = 0;
  for (let pieces = 1; last - first > pieces && level < LEVELS - 1; pieces *= FANOUT) level++;
  return level;
}
