/** Entries in a row that somebody looks for. */
export interface Row {
  readonly size: number;
  /** A power of two that the first one is a multiple of. */
  readonly align: number;
  /** A power of two whose multiples the row does not cross, counted from `-offset`; 0 for none. */
  readonly boundary: number;
  readonly offset: number;
}

/** A bit for each entry of a table: is it in use? */
export class EntryBitmap {
  readonly #words: Int32Array;
  /** Bits that are set. */
  taken = 0;

  constructor(length: number) {
    this.#words = new Int32Array(Math.ceil(length / 32));
  }

  /** How many bits are set from one on, up to another. */
  count(from: number, to: number): number {
    let count = 0;
    for (let at = from; at < to; ) {
      const { mask, next } = piece(at, to);
      count += bitsOf(this.#words[Math.floor(at / 32)]! & mask);
      at = next;
    }
    return count;
  }

  set(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const { mask, next } = piece(at, to);
      const word = Math.floor(at / 32);
      const before = this.#words[word]!;
      this.taken += bitsOf(mask & ~before);
      this.#words[word] = before | mask;
      at = next;
    }
  }

  clear(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const { mask, next } = piece(at, to);
      const word = Math.floor(at / 32);
      const before = this.#words[word]!;
      this.taken -= bitsOf(mask & before);
      this.#words[word] = before & ~mask;
      at = next;
    }
  }

  /**
   * The first of so many clear bits in a row.
   *
   * @param limit the row ends before it
   * @returns -1 if there is none
   */
  find(start: number, limit: number, { size, align, boundary, offset }: Row): number {
    let at = start;
    for (;;) {
      at = Math.ceil(this.#nextClear(at, limit) / align) * align;
      if (at + size > limit) return -1;
      const crossed = boundary === 0 ? 0 : ((at + offset) % boundary) + size - boundary;
      if (crossed > 0) {
        if (size > boundary) return -1;
        at += size - crossed;
        continue;
      }
      const taken = this.#nextSet(at, at + size);
      if (taken === at + size) return at;
      at = taken + 1;
    }
  }

  #nextClear(from: number, limit: number): number {
    let at = from;
    while (at < limit) {
      const free = ~this.#words[Math.floor(at / 32)]! >>> (at % 32);
      if (free !== 0) return at + trailingZeros(free);
      at = (Math.floor(at / 32) + 1) * 32;
    }
    return limit;
  }

  #nextSet(from: number, limit: number): number {
    let at = from;
    while (at < limit) {
      const set = this.#words[Math.floor(at / 32)]! >>> (at % 32);
      if (set !== 0) return Math.min(limit, at + trailingZeros(set));
      at = (Math.floor(at / 32) + 1) * 32;
    }
    return limit;
  }
}

/** The bits of one word that lie in a range, and where the next word begins. */
function piece(at: number, to: number): { readonly mask: number; readonly next: number } {
  const bit = at % 32;
  const next = Math.min(to, at - bit + 32);
  const bits = next - at;
  return { mask: bits === 32 ? -1 : ((1 << bits) - 1) << bit, next };
}

function bitsOf(word: number): number {
  let value = word - ((word >>> 1) & 0x5555_5555);
  value = (value & 0x3333_3333) + ((value >>> 2) & 0x3333_3333);
  return Math.imul((value + (value >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

const trailingZeros = (word: number): number => 31 - Math.clz32(word & -word);
