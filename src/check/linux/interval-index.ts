import { hiOfNumber } from "../../base/u64.ts";
import { HalvesMap, takeOut } from "./halves-map.ts";

/** Bytes of a piece of address space, their log2, and the pieces of 4 GiB. */
export const PIECE = 4096;
const PIECE_SHIFT = 12;
const PIECES = 2 ** (32 - PIECE_SHIFT);

/** The piece in which an address lies: exact, as their numbers have 52 bits. */
export const pieceOf = (hi: number, lo: number): number => hi * PIECES + (lo >>> PIECE_SHIFT);

/** Stretches of one level that are one of the next. */
const FANOUT = 16;

/** A stretch of pieces: of one of them, of 16, of 256, … */
interface Stretch<T> {
  /** Intervals that take some of it and are not longer, but longer than a stretch of the level below. */
  readonly items: T[];
  /** The stretch of the next level that this one is a part of. */
  readonly whole: Stretch<T> | undefined;
  /** Parts of this that are kept, of the level below. */
  parts: number;
}

/** Stretches of one length. */
interface Level<T> {
  /** 1 / length in pieces: a division takes much longer than a product, and a power of two has an exact one. */
  readonly perPiece: number;
  readonly stretches: HalvesMap<Stretch<T>>;
  /** Intervals of this level. */
  count: number;
}

/** Levels whose stretches are together all pieces there are. */
const LEVELS = 14;

/**
 * Finds intervals by the pieces of an address space that they take. Memory and time are those of their number, whatever
 * their length: each one stands in the at most two stretches of its own length or little more in which it lies.
 *
 * Invariant *whole*: a stretch that is kept is counted as a part of the next longer one.
 */
export class IntervalIndex<T> {
  readonly #levels: readonly Level<T>[] = Array.from({ length: LEVELS }, (_, level) => ({
    perPiece: FANOUT ** -level,
    stretches: new HalvesMap<Stretch<T>>(isKept),
    count: 0,
  }));
  /** The highest level that ever had an interval. */
  #highest = 0;

  /** @param last piece in which it ends */
  add(first: number, last: number, item: T): void {
    const level = levelOf(first, last);
    const { perPiece } = this.#levels[level]!;
    const from = Math.floor(first * perPiece);
    const to = Math.floor(last * perPiece);
    this.#levels[level]!.count++;
    if (level > this.#highest) this.#highest = level;
    this.#put(level, from, item);
    if (to !== from) this.#put(level, to, item);
  }

  /** Takes out what {@link add} put in; nothing if it did not. */
  remove(first: number, last: number, item: T): void {
    const level = this.#levels[levelOf(first, last)]!;
    const from = Math.floor(first * level.perPiece);
    const to = Math.floor(last * level.perPiece);
    const stretch = stretchAt(level, from);
    if (stretch === undefined || !takeOut(stretch.items, item)) return;
    level.count--;
    if (to !== from) takeOut(stretchAt(level, to)!.items, item);
  }

  /**
   * One that fits, of those that take some of these pieces; it is also asked about others near them. The shorter ones
   * are looked at first.
   */
  find(first: number, last: number, fits: (item: T) => boolean): T | undefined {
    const base = levelOf(first, last);
    for (let level = base; level === base || level <= this.#highest; level++) {
      const { perPiece, count } = this.#levels[level]!;
      if (count === 0 && level > base) continue;
      const from = Math.floor(first * perPiece);
      const to = Math.floor(last * perPiece);
      for (let number = from; number <= to; number++) {
        const found =
          level === base
            ? this.#findWithin(level, number, first, last, fits)
            : stretchAt(this.#levels[level]!, number)?.items.find(fits);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Looks at the intervals of a stretch, after those of its parts. */
  #findWithin(
    level: number,
    number: number,
    first: number,
    last: number,
    fits: (item: T) => boolean,
  ): T | undefined {
    const stretch = stretchAt(this.#levels[level]!, number);
    if (stretch === undefined) return undefined;
    if (stretch.parts > 0) {
      const { perPiece } = this.#levels[level - 1]!;
      const from = Math.max(number * FANOUT, Math.floor(first * perPiece));
      const to = Math.min(number * FANOUT + FANOUT - 1, Math.floor(last * perPiece));
      for (let part = from; part <= to; part++) {
        const found = this.#findWithin(level - 1, part, first, last, fits);
        if (found !== undefined) return found;
      }
    }
    const { items } = stretch;
    for (let i = 0; i < items.length; i++) if (fits(items[i]!)) return items[i]!;
    return undefined;
  }

  /** Puts an interval into the stretch of this number, which is made if it is not there. */
  #put(level: number, number: number, item: T): void {
    const there = stretchAt(this.#levels[level]!, number);
    if (there === undefined) this.#make(level, number, [item]);
    else there.items.push(item);
  }

  /** Makes a stretch. The list of its items is as short as they are: mostly it stays so. */
  #make(level: number, number: number, items: T[]): Stretch<T> {
    let whole: Stretch<T> | undefined;
    if (level + 1 < LEVELS) {
      const above = Math.floor(number / FANOUT);
      whole = stretchAt(this.#levels[level + 1]!, above) ?? this.#make(level + 1, above, []);
      whole.parts++;
    }
    const made = { items, whole, parts: 0 };
    this.#levels[level]!.stretches.add(hiOfNumber(number), number | 0, made);
    return made;
  }
}

/** The level whose stretches are as long as an interval, or little longer. */
function levelOf(first: number, last: number): number {
  let level = 0;
  for (let pieces = 1; last - first >= pieces && level < LEVELS - 1; pieces *= FANOUT) level++;
  return level;
}

const stretchAt = <T>({ stretches }: Level<T>, number: number): Stretch<T> | undefined =>
  stretches.get(hiOfNumber(number), number | 0);

/** A stretch that is not kept is no part of the longer one any more. */
function isKept<T>({ items, parts, whole }: Stretch<T>): boolean {
  if (items.length > 0 || parts > 0) return true;
  if (whole !== undefined) whole.parts--;
  return false;
}
