import type { AddressRange } from "./range.ts";

/** Ranges of addresses that do not overlap, in order; each is found in the logarithm of their number. */
export class RangeMap<T extends AddressRange> {
  readonly #items: T[] = [];

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
    if (at === this.#items.length) this.#items.push(item);
    else this.#items.splice(at, 0, item);
  }

  /** Takes a range out; does nothing if it is not there. */
  delete(item: T): void {
    const at = this.#firstEndingFrom(item.first);
    if (this.#items[at] === item) this.#items.splice(at, 1);
  }

  clear(): void {
    this.#items.length = 0;
  }

  /** Place of the first range that ends at an address or behind it. */
  #firstEndingFrom(address: bigint): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#items[middle]!.last < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
