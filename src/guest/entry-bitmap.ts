/**
 * What a row of entries must be like that somebody looks for.
 *
 * @public
 */
export interface RowLimits {
  /** A power of two that the first entry is a multiple of. */
  readonly align: number;
  /** A power of two whose multiples the row does not cross, counted from `-offset`; 0 for none. */
  readonly boundary: number;
  readonly offset: number;
}

/** A bit for each entry of a table: is it in use? */
export class EntryBitmap {
  // No private name, and the usual case of each method apart: V8 makes one function of short ones (see TceTable).
  protected readonly words: Int32Array;
  /** Bits that are set. */
  taken = 0;

  constructor(length: number) {
    this.words = new Int32Array(Math.ceil(length / 32));
  }

  /** How many bits are set from one on, up to another. */
  count(from: number, to: number): number {
    let count = 0;
    for (let at = from; at < to; at = nextWord(at)) count += bitsOf(this.words[at >>> 5]! & maskOf(at, to));
    return count;
  }

  set(from: number, to: number): void {
    for (let at = from; at < to; at = nextWord(at)) {
      const mask = maskOf(at, to);
      const before = this.words[at >>> 5]!;
      this.taken += bitsOf(mask & ~before);
      this.words[at >>> 5] = before | mask;
    }
  }

  clear(from: number, to: number): void {
    if (to - from === 1) this.clearOne(from);
    else this.#clearRow(from, to);
  }

  #clearRow(from: number, to: number): void {
    for (let at = from; at < to; at = nextWord(at)) {
      const mask = maskOf(at, to);
      const before = this.words[at >>> 5]!;
      this.taken -= bitsOf(mask & before);
      this.words[at >>> 5] = before & ~mask;
    }
  }

  /**
   * The first of so many clear bits in a row.
   *
   * @param limit the row ends before it
   * @returns -1 if there is none
   */
  find(start: number, limit: number, size: number, limits: RowLimits): number {
    const { align, boundary, offset } = limits;
    let at = start;
    for (;;) {
      at = this.#nextClear(at, limit);
      if (align > 1) at = Math.ceil(at / align) * align;
      if (at + size > limit) return -1;
      if (boundary > 0) {
        const crossed = ((at + offset) % boundary) + size - boundary;
        if (crossed > 0) {
          if (size > boundary) return -1;
          at += size - crossed;
          continue;
        }
      }
      const taken = this.#nextSet(at, at + size);
      if (taken === at + size) return at;
      at = taken + 1;
    }
  }

  /** Sets a bit that is clear; false if it is set. */
  takeOne(at: number): boolean {
    const word = this.words[at >>> 5]!;
    const bit = 1 << (at & 31);
    if ((word & bit) !== 0) return false;
    this.taken++;
    this.words[at >>> 5] = word | bit;
    return true;
  }

  protected clearOne(at: number): void {
    const word = this.words[at >>> 5]!;
    const bit = 1 << (at & 31);
    if ((word & bit) !== 0) this.taken--;
    this.words[at >>> 5] = word & ~bit;
  }

  #nextClear(from: number, limit: number): number {
    for (let at = from; at < limit; at = nextWord(at)) {
      const free = ~this.words[at >>> 5]! >>> (at & 31);
      if (free !== 0) return at + trailingZeros(free);
    }
    return limit;
  }

  #nextSet(from: number, limit: number): number {
    for (let at = from; at < limit; at = nextWord(at)) {
      const set = this.words[at >>> 5]! >>> (at & 31);
      if (set !== 0) return Math.min(limit, at + trailingZeros(set));
    }
    return limit;
  }
}

/** The first bit of the word after that of a bit. */
const nextWord = (at: number): number => ((at >>> 5) + 1) * 32;

/** Those bits of the word of `at` that lie from it on, and before `to`. */
function maskOf(at: number, to: number): number {
  const bits = to - at;
  const bit = at & 31;
  return bits + bit >= 32 ? -1 << bit : ((1 << bits) - 1) << bit;
}

function bitsOf(word: number): number {
  let value = word - ((word >>> 1) & 0x5555_5555);
  value = (value & 0x3333_3333) + ((value >>> 2) & 0x3333_3333);
  return Math.imul((value + (value >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

const trailingZeros = (word: number): number => 31 - Math.clz32(word & -word);
