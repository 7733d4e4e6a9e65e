import type { DeviceLimits } from "../../src/guest/iommu-table.ts";

/** What is asked for. */
export interface TableRequest extends DeviceLimits {
  readonly pages: number;
  readonly handle?: number;
}

/** Linux's allocator of entries, written for reading: an array of what is taken and a search entry by entry. */
export class NaiveTable {
  readonly taken: boolean[];
  readonly #busOffset: bigint;
  readonly #pageShift: number;
  readonly #pools: { readonly start: number; readonly end: number; hint: number }[] = [];

  constructor(busOffset: bigint, pageShift: number, length: number) {
    this.#busOffset = busOffset;
    this.#pageShift = pageShift;
    this.taken = new Array<boolean>(length).fill(false);
    if (busOffset === 0n) this.taken[0] = true;
    const small = length * 2 ** pageShift >= 2 ** 30 ? 4 : 1;
    const size = Math.floor(Math.floor((length * 3) / 4) / small);
    for (let i = 0; i < small; i++) {
      this.#pools.push({ start: i * size, end: (i + 1) * size, hint: i * size });
    }
    this.#pools.push({ start: small * size, end: length, hint: small * size });
  }

  allocate(request: TableRequest): number {
    const { pages, cpu = 0 } = request;
    const large = this.#pools.length - 1;
    const isLarge = pages > 15;
    const own = isLarge ? large : (Number((BigInt(cpu) * 0x61c8_8647n) & 0xffff_ffffn) >>> 30) % large;
    // Where each pass looks, and whether the pool's hint is put back before it.
    const passes = [own, own];
    for (let i = 1; i <= large; i++)
      passes.push(((own === large ? 0 : own) + i - Number(own === large)) % large);
    if (own === large) {
      passes.splice(2);
      for (let i = 1; i <= large; i++) passes.push((large + i) % large);
    }
    passes.push(large);
    for (const [pass, number] of passes.entries()) {
      const pool = this.#pools[number]!;
      if (pass > 0) pool.hint = pool.start;
      const found = this.#searchPool(number, pass, request);
      if (found < 0) continue;
      for (let i = 0; i < pages; i++) this.taken[found + i] = true;
      const end = found + pages;
      this.#pools.findLast(({ start }) => found >= start)!.hint = isLarge ? end : Math.ceil(end / 16) * 16;
      return found;
    }
    return -1;
  }

  free(first: number, pages: number): void {
    for (let i = 0; i < pages; i++) this.taken[first + i] = false;
  }

  #searchPool(number: number, pass: number, request: TableRequest): number {
    const { pages, alignOrder = 0, mask, boundary = 0, handle } = request;
    let pool = this.#pools[number]!;
    const usesHandle = pass === 0 && handle !== undefined && handle >= pool.start && handle < pool.end;
    let start = usesHandle ? handle : pool.hint;
    if (start >= pool.end) start = pool.start;
    let limit = pool.end;
    const offset = this.#busOffset >> BigInt(this.#pageShift);
    if (mask !== undefined) {
      const last = Number((mask >> BigInt(this.#pageShift)) - offset);
      if (limit > last) {
        limit = last + 1;
        if (pass > 0 || start >= limit) {
          pool = this.#pools[0]!;
          start = pool.start;
        }
      }
    }
    const segment = boundary / 2 ** this.#pageShift;
    for (let at = start; at + pages <= limit - 1; at++) {
      if (at % 2 ** alignOrder !== 0) continue;
      const first = at + Number(offset);
      if (segment > 0 && Math.floor(first / segment) !== Math.floor((first + pages - 1) / segment)) continue;
      if (!this.taken.slice(at, at + pages).includes(true)) return at;
    }
    return -1;
  }
}
