import type { AddressRange } from "./range.ts";

/** Ranges of addresses that do not overlap, in order; each is found in the logarithm of their number. */
export class RangeMap<T extends AddressRange> {
  readonly #items: T[] = [];
  /** The last address of each, rounded: numbers are compared ten times as fast, and rounding keeps their order. */
  readonly #ends: number[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** All ranges in order; not to be changed meanwhile. */
  get all(): readonly T[] {
    return this.#items;
  }

  /** The range that contains an address. */
  at(address: bigint): T | undefined {
    const item = this.#items[this.#firstEndingFrom(address)];
    return item !== undefined && item.first <= address ? item : undefined;
  }

  /** The first range that shares an address with another one. */
  firstIn({ first, last }: AddressRange): T | undefined {
    const item = this.#items[this.#firstEndingFrom(first)];
    return item !== undefined && item.first <= last ? item : undefined;
  }

  /** The ranges that share an address with another one, in order, as a list of their own. */
  overlapping({ first, last }: AddressRange): T[] {
    const from = this.#firstEndingFrom(first);
    let end = from;
    while (end < this.#items.length && this.#items[end]!.first <= last) end++;
    return this.#items.slice(from, end);
  }

  /** The last range below an address that none contains, and the first one above it. */
  around(address: bigint): { readonly below: T | undefined; readonly above: T | undefined } {
    const at = this.#firstEndingFrom(address);
    return { below: this.#items[at - 1], above: this.#items[at] };
  }

  /** Adds a range; the caller has checked that it overlaps none. */
  add(item: T): void {
    const at = this.#firstEndingFrom(item.first);
    const end = Number(item.last);
    if (at === this.#items.length) {
      this.#items.push(item);
      this.#ends.push(end);
      return;
    }
    this.#items.splice(at, 0, item);
    this.#ends.splice(at, 0, end);
  }

  /** Takes a range out; does nothing if it is not there. */
  delete(item: T): void {
    const at = this.#firstEndingFrom(item.first);
    if (this.#items[at] !== item) return;
    this.#items.splice(at, 1);
    this.#ends.splice(at, 1);
  }

  clear(): void {
    this.#items.length = 0;
    this.#ends.length = 0;
  }

  /** Place of the first range that ends at an address or behind it. */
  #firstEndingFrom(address: bigint): number {
    const ends = this.#ends;
    const rounded = Number(address);
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const end = ends[middle]!;
      // Addresses that are rounded to the same number are compared as they are.
      if (end < rounded || (end === rounded && this.#items[middle]!.last < address)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
