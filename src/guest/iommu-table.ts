import { IommuError } from "../base/errors.ts";
import type { GuestWindow } from "./direct-map.ts";
import { EntryBitmap } from "./entry-bitmap.ts";

/** Requests of more entries than this start in the large pool, and hints are rounded up to one more. */
const MOST_SMALL = 15;
/** Windows from this size on have four pools for small requests. */
const MANY_POOLS_BYTES = 2 ** 30;

/** Entries that are searched by one kind of request, and where the next search begins. */
interface Pool {
  readonly start: number;
  readonly end: number;
  hint: number;
}

/**
 * What is asked for.
 *
 * @public
 */
export interface TableRequest {
  /** How many entries, from 1. */
  readonly pages: number;
  /** log2 of the entries that the first one is aligned to, counted from the start of the table. */
  readonly alignOrder?: number;
  /** The highest bus address that the device can reach. */
  readonly mask?: bigint;
  /** Bytes, a power of two, whose multiples no buffer of the device may cross; default none. */
  readonly boundary?: number;
  readonly cpu?: number;
  /** Where the search begins if this is in the pool: the end of what was given to the same list before. */
  readonly handle?: number;
}

/**
 * The entries of a window that Linux gives out to its drivers: which are in use, in pools for small and for large
 * requests (LINUX-TABLE-1 to LINUX-TABLE-4).
 *
 * @public
 */
export class IommuTable {
  readonly window: GuestWindow;
  /** Number of entries. */
  readonly length: number;
  readonly #bits: EntryBitmap;
  readonly #small: readonly Pool[];
  readonly #large: Pool;
  readonly #poolSize: number;
  /** Entry of the window's first page, counted from bus address 0. */
  readonly #offset: bigint;
  /** Entries that are taken without having been given out. */
  #reserved = 0;

  /** @throws IommuError BAD_SHAPE for no entries, or more than a window can have */
  constructor(window: GuestWindow, length: number) {
    if (!Number.isInteger(length) || length < 1 || length > 2 ** 32)
      throw new IommuError("BAD_SHAPE", `a table of ${length} entries`, { length });
    this.window = window;
    this.length = length;
    this.#bits = new EntryBitmap(length);
    this.#offset = window.busOffset >> BigInt(window.pageShift);
    const pools = length * 2 ** window.pageShift >= MANY_POOLS_BYTES ? 4 : 1;
    this.#poolSize = Math.floor(Math.floor((length * 3) / 4) / pools);
    this.#small = Array.from({ length: pools }, (_, i) => {
      const start = i * this.#poolSize;
      return { start, end: start + this.#poolSize, hint: start };
    });
    const large = pools * this.#poolSize;
    this.#large = { start: large, end: length, hint: large };
    // Drivers take bus address 0 for none.
    if (window.busOffset === 0n) this.reserve(0, 1);
  }

  /** Marks entries as taken that nobody may have; those outside of the table are left out. */
  reserve(first: number, end: number): void {
    const from = Math.max(0, first);
    const to = Math.min(this.length, end);
    if (from >= to) return;
    this.#reserved += to - from - this.#bits.count(from, to);
    this.#bits.set(from, to);
  }

  /** Makes entries free again without a look at them: what a kernel does for a dump when the table is full. */
  release(first: number, end: number): void {
    this.#bits.clear(first, end);
  }

  /** Was an entry given out that has not been given back? */
  get inUse(): boolean {
    return this.#bits.taken > this.#reserved;
  }

  /** Entries that are free. */
  get free(): number {
    return this.length - this.#bits.taken;
  }

  /**
   * Takes consecutive entries.
   *
   * @returns the first one, or -1 if there are none
   */
  allocate(request: TableRequest): number {
    const { pages, cpu = 0 } = request;
    if (pages < 1) return -1;
    const isLarge = pages > MOST_SMALL;
    const first = isLarge ? this.#small.length : poolOfCpu(cpu) % this.#small.length;
    let pool = first;
    let handle = request.handle;
    // The pool from its hint, then from its start; then the other small pools, and the large one last.
    for (let pass = 0; pass <= this.#small.length + 2; pass++) {
      const at = this.#search(pool, pass > 0, request, handle);
      if (at >= 0) {
        this.#bits.set(at, at + pages);
        const end = at + pages;
        this.#pool(this.#poolOfEntry(at)).hint = isLarge ? end : Math.ceil(end / 16) * 16;
        return at;
      }
      handle = undefined;
      if (pass === 0) this.#pool(pool).hint = this.#pool(pool).start;
      else if (pass <= this.#small.length) {
        pool = (pool + 1) % this.#small.length;
        this.#pool(pool).hint = this.#pool(pool).start;
      } else if (pass === this.#small.length + 1) {
        pool = this.#small.length;
        this.#large.hint = this.#large.start;
      }
    }
    return -1;
  }

  /**
   * Gives entries back.
   *
   * @returns false if they are not all in the table: then nothing is done
   */
  give(first: number, pages: number): boolean {
    if (first < 0 || first + pages > this.length) return false;
    this.#bits.clear(first, first + pages);
    return true;
  }

  /** Bus address of an entry. */
  addressOf(entry: number): bigint {
    return this.window.busOffset + BigInt(entry) * BigInt(2 ** this.window.pageShift);
  }

  #pool(number: number): Pool {
    return number === this.#small.length ? this.#large : this.#small[number]!;
  }

  #poolOfEntry(entry: number): number {
    return entry >= this.#large.start ? this.#small.length : Math.floor(entry / this.#poolSize);
  }

  /** Looks through a pool, or through the first one if the device's mask ends before it. */
  #search(number: number, again: boolean, request: TableRequest, handle: number | undefined): number {
    let pool = this.#pool(number);
    let start =
      !again && handle !== undefined && handle >= pool.start && handle < pool.end ? handle : pool.hint;
    if (start >= pool.end) start = pool.start;
    let limit = pool.end;
    const { mask, pages, alignOrder = 0, boundary = 0 } = request;
    if (mask !== undefined) {
      const highest = Number((mask >> BigInt(this.window.pageShift)) - this.#offset);
      if (limit > highest) {
        limit = highest + 1;
        if (start >= limit || again) {
          pool = this.#small[0]!;
          start = pool.start;
        }
      }
    }
    // The search of Linux stops one entry early.
    const segment = Math.floor(boundary / 2 ** this.window.pageShift);
    const offset = segment === 0 ? 0 : Number(this.#offset % BigInt(segment));
    return this.#bits.find(start, limit - 1, {
      size: pages,
      align: 2 ** alignOrder,
      boundary: segment,
      offset,
    });
  }
}

/** The pool of a CPU is a hash of two bits of its number. */
function poolOfCpu(cpu: number): number {
  return Math.imul(cpu, 0x61c8_8647) >>> 30;
}
