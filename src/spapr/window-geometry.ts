import { type PageStep, pageStep } from "../base/page-step.ts";
import { entryOf, hiOf, loOf, smallInteger } from "../base/u64.ts";

/**
 * Where a DMA window lies on the bus and how it is divided. It never changes:
 * a window that moves gets another one, so that a call sees by comparing
 * whether its window is still the one it began with.
 *
 * @public
 */
export class WindowGeometry {
  /** Of a window that is disabled. */
  static readonly NONE: WindowGeometry = new WindowGeometry(0, 0n, 0);

  /** Bus address of the first byte; any value, also one that is no multiple of the page size. */
  readonly busOffset: bigint;
  readonly page: PageStep;
  // All are numbers from the start: V8 knows no integer field that was undefined once.
  /** Number of TCEs, below 2^32. */
  readonly entries: number = 0;
  /** @internal Number of the last entry, -1 without one: where {@link entries} is 2^31 this is still a small integer for V8. */
  readonly last: number = 0;
  /** The masks and the shift of {@link page}, a step nearer to the hot path. */
  readonly maskHi: number = 0;
  readonly maskLo: number = 0;
  readonly shift: number = 0;
  /** Pages after which the 64-bit bus starts again. */
  readonly #busPages: number = 0;
  // First page that begins in the window, in signed halves.
  /** @internal */
  protected readonly busHi: number = 0;
  /** @internal */
  protected readonly busLo: number = 0;

  constructor(pageShift: number, busOffset: bigint, entries: number) {
    this.busOffset = busOffset;
    this.page = pageStep(pageShift);
    this.entries = entries;
    this.last = smallInteger(entries - 1);
    this.maskHi = this.page.maskHi;
    this.maskLo = this.page.maskLo;
    this.shift = pageShift;
    this.#busPages = 2 ** (64 - pageShift);
    const pageBytes = 1n << BigInt(pageShift);
    const firstPage = ((busOffset + pageBytes - 1n) >> BigInt(pageShift)) << BigInt(pageShift);
    this.busHi = hiOf(firstPage) | 0;
    this.busLo = loOf(firstPage) | 0;
  }

  /** Size in bytes, modulo 2^64 as QEMU computes it (QEMU-WINDOW-4): a window of all 2^64 bytes has 0. */
  get sizeBytes(): bigint {
    return BigInt.asUintN(64, BigInt(this.entries) << BigInt(this.shift));
  }

  /**
   * Number of the entry that a bus address belongs to; `entries` or more if it
   * lies outside. The address is rounded down to its page before the start of
   * the window is subtracted, modulo 2^64 (recorded in base-unaligned and base-high);
   * that is the same as a start that is rounded up.
   */
  indexOf(hi: number, lo: number): number {
    // Nearly all addresses are of the 4 GiB that the window begins in; those need no borrow, and no high half.
    const { shift } = this;
    const ahead = lo - (this.busLo >>> 0);
    return (hi | 0) === this.busHi && ahead >= 0 && shift < 32 ? ahead >>> shift : this.indexOfFar(hi, lo);
  }

  /** @internal {@link indexOf} for all addresses; a function of its own, so that the other one is short. */
  protected indexOfFar(hi: number, lo: number): number {
    const { busLo } = this;
    const borrow = lo >>> 0 < busLo >>> 0 ? 1 : 0;
    return entryOf((hi - this.busHi - borrow) | 0, (lo - busLo) | 0, this.shift);
  }

  /**
   * How many of `count` pages from `first` lie before the end of the window, and of the bus. In a
   * window of 2^64 bytes or more, the page after the last one of the bus is the first again
   * (QEMU-TCE-2: addresses wrap; {@link wrapped}).
   */
  piece(first: number, count: number): number {
    return Math.max(0, Math.min(count, this.entries - first, this.#busPages - first));
  }

  /** The number of a page after one of the bus: after the last one comes the first. */
  wrapped(page: number): number {
    return page === this.#busPages ? 0 : page;
  }
}
