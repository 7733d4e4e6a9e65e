import { IommuError } from "../base/errors.ts";
import { smallInteger, TWO32 } from "../base/u64.ts";
import { EntryBitmap, type RowLimits } from "./entry-bitmap.ts";
import type { GuestWindow } from "./guest-window.ts";

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
 * What a device can take.
 *
 * @public
 */
export interface DeviceLimits {
  /** log2 of the entries that the first one is aligned to, counted from the start of the table; default 0. */
  readonly alignOrder?: number;
  /** The highest bus address that the device can reach. */
  readonly mask?: bigint;
  /** Bytes, a power of two, whose multiples no buffer of the device may cross; default none. */
  readonly boundary?: number;
  /** The processor that asks; default 0. */
  readonly cpu?: number;
}

/**
 * The limits of a device in entries of one table: {@link IommuTable.limitsOf}.
 *
 * @public
 */
export interface TableLimits extends RowLimits {
  /** The last entry that the device can reach; infinity for all. */
  readonly last: number;
  /** Number of the pool where a small request begins. */
  readonly pool: number;
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
  readonly length: number = 0;
  // What allocations need is no private name: those make bytecode longer (see TceTable).
  /** @internal */
  protected readonly bits: EntryBitmap;
  /** @internal The small ones, and the large one last. */
  protected readonly pools: readonly Pool[];
  /** @internal */
  protected readonly large: Pool;
  /** @internal */
  protected readonly poolSize: number = 0;
  /** Entries that are taken without having been given out. */
  #reserved = 0;
  readonly #anyDevice: TableLimits;

  /** @throws IommuError BAD_SHAPE for no entries, or more than a window can have */
  constructor(window: GuestWindow, length: number) {
    if (!Number.isInteger(length) || length < 1 || length > TWO32)
      throw new IommuError("BAD_SHAPE", `a table of ${length} entries`, { length });
    this.window = window;
    this.length = smallInteger(length);
    this.bits = new EntryBitmap(length);
    const pools = length * window.pageSize >= MANY_POOLS_BYTES ? 4 : 1;
    this.poolSize = smallInteger(Math.floor(Math.floor((length * 3) / 4) / pools));
    const starts = Array.from({ length: pools + 1 }, (_, i) => smallInteger(i * this.poolSize));
    this.pools = starts.map((start, i) => ({ start, end: starts[i + 1] ?? this.length, hint: start }));
    this.large = this.pools.at(-1)!;
    this.#anyDevice = this.limitsOf({});
    // Drivers take bus address 0 for none.
    if (window.busOffset === 0n) this.reserve(0, 1);
  }

  /** What a device can take, in entries of this table. */
  limitsOf({ alignOrder = 0, mask, boundary = 0, cpu = 0 }: DeviceLimits): TableLimits {
    const { pageShift, busOffset } = this.window;
    const firstPage = busOffset >> BigInt(pageShift);
    const segment = Math.floor(boundary / this.window.pageSize);
    return {
      align: smallInteger(2 ** alignOrder),
      last: mask === undefined ? Number.POSITIVE_INFINITY : Number((mask >> BigInt(pageShift)) - firstPage),
      boundary: segment,
      offset: segment === 0 ? 0 : Number(firstPage % BigInt(segment)),
      pool: poolOfCpu(cpu) % (this.pools.length - 1),
    };
  }

  /** Marks entries as taken that nobody may have; those outside of the table are left out. */
  reserve(first: number, end: number): void {
    const from = Math.max(0, first);
    const to = Math.min(this.length, end);
    if (from >= to) return;
    this.#reserved += to - from - this.bits.count(from, to);
    this.bits.set(from, to);
  }

  /** Makes entries free again without a look at them: what a kernel does for a dump when the table is full. */
  release(first: number, end: number): void {
    this.bits.clear(first, end);
  }

  /** Was an entry given out that has not been given back? */
  get inUse(): boolean {
    return this.bits.taken > this.#reserved;
  }

  /** Entries that are free. */
  get free(): number {
    return this.length - this.bits.taken;
  }

  /**
   * Takes consecutive entries.
   *
   * @param pages how many, from 1
   * @param handle where the search begins if that lies in the pool: the end of what the same list was given before
   * @returns the first one, or -1 if there are none
   */
  allocate(pages: number, limits: TableLimits = this.#anyDevice, handle = -1): number {
    const pool = this.pools[limits.pool]!;
    const { hint } = pool;
    // Nearly always it is one, and the hint is right.
    if (
      pages === 1 &&
      handle < 0 &&
      limits.align === 1 &&
      hint < pool.end - 1 &&
      hint < limits.last &&
      this.bits.takeOne(hint)
    ) {
      pool.hint = roundedUp(hint + 1);
      return hint;
    }
    return this.allocateAny(pages, limits, handle);
  }

  /** @internal {@link allocate} in all cases; a function of its own, so that the other one is short. */
  protected allocateAny(pages: number, limits: TableLimits, handle: number): number {
    if (pages < 1) return -1;
    const large = this.pools.length - 1;
    const own = pages > MOST_SMALL ? large : limits.pool;
    const first = this.pools[own]!;
    const start = handle >= first.start && handle < first.end ? handle : first.hint;
    const at = this.search(first, start, pages, limits, false);
    if (at < 0) return this.#searchOn(own, pages, limits);
    // A mask may lead to another pool.
    return this.take(at, pages, at >= first.start && at < first.end ? first : this.poolAt(at));
  }

  /** @internal The pool of an entry. */
  protected poolAt(at: number): Pool {
    return at >= this.large.start ? this.large : this.pools[Math.floor(at / this.poolSize)]!;
  }

  /**
   * Gives entries back.
   *
   * @returns false if they are not all in the table: then nothing is done
   */
  give(first: number, pages: number): boolean {
    if (first < 0 || first + pages > this.length) return false;
    this.bits.clear(first, first + pages);
    return true;
  }

  /** Bus address of an entry. */
  addressOf(entry: number): bigint {
    return this.window.addressOf(entry * this.window.pageSize);
  }

  /** The pool once more from its start, then the other small pools, and the large one last (LINUX-TABLE-3). */
  #searchOn(own: number, pages: number, limits: TableLimits): number {
    const large = this.pools.length - 1;
    for (let pass = 0; pass <= large + 1; pass++) {
      const number = pass === 0 ? own : pass > large ? large : (own + pass) % large;
      const pool = this.pools[number]!;
      pool.hint = pool.start;
      const at = this.search(pool, pool.start, pages, limits, true);
      if (at >= 0) return this.take(at, pages, this.poolAt(at));
    }
    return -1;
  }

  /** @internal */
  protected take(at: number, pages: number, pool: Pool): number {
    const end = at + pages;
    this.bits.set(at, end);
    pool.hint = pages > MOST_SMALL ? end : roundedUp(end);
    return at;
  }

  /** @internal Looks through a pool, or through the first one if the device's mask ends before it (LINUX-TABLE-4). */
  protected search(pool: Pool, from: number, pages: number, limits: TableLimits, again: boolean): number {
    let start = from >= pool.end ? pool.start : from;
    let limit = pool.end;
    if (limit > limits.last) {
      limit = limits.last + 1;
      if (start >= limit || again) start = 0;
    }
    // The search of Linux stops one entry early.
    return this.bits.find(start, limit - 1, pages, limits);
  }
}

/** Where the next search begins after a small request. */
const roundedUp = (end: number): number => end + MOST_SMALL - ((end + MOST_SMALL) % (MOST_SMALL + 1));

/** The pool of a CPU is a hash of two bits of its number. */
function poolOfCpu(cpu: number): number {
  return Math.imul(cpu, 0x61c8_8647) >>> 30;
}
