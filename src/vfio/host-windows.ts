import { type AddressRange, contains, overlaps } from "../base/range.ts";
import { hex, hiOf, isBelow, loOf } from "../base/u64.ts";

/** A window of the host that QEMU knows of. */
export class HostWindow {
  readonly range: AddressRange;
  // The same in signed halves, for the hot path.
  readonly #firstHi: number = 0;
  readonly #firstLo: number = 0;
  readonly #lastHi: number = 0;
  readonly #lastLo: number = 0;

  constructor(range: AddressRange) {
    this.range = range;
    this.#firstHi = hiOf(range.first) | 0;
    this.#firstLo = loOf(range.first) | 0;
    this.#lastHi = hiOf(range.last) | 0;
    this.#lastLo = loOf(range.last) | 0;
  }

  /** Does an address, in halves of either sign, lie in the window? */
  has(hi: number, lo: number): boolean {
    return !isBelow(hi, lo, this.#firstHi, this.#firstLo) && !isBelow(this.#lastHi, this.#lastLo, hi, lo);
  }

  /** Does a piece that begins in the window, of 1 to 2^64 - 1 bytes, end in it as well? */
  holds(hi: number, lo: number, bytesHi: number, bytesLo: number): boolean {
    const spanHi = bytesLo === 0 ? bytesHi - 1 : bytesHi;
    const behindLo = (this.#lastLo - lo) | 0;
    const borrow = this.#lastLo >>> 0 < lo >>> 0 ? 1 : 0;
    return !isBelow((this.#lastHi - hi - borrow) | 0, behindLo, spanHi, (bytesLo - 1) | 0);
  }
}

/** The windows of the host that a container may map into (QEMU's VFIOHostDMAWindow list). */
export class HostWindows {
  readonly #windows: HostWindow[] = [];

  get all(): readonly HostWindow[] {
    return this.#windows;
  }

  add(range: AddressRange): void {
    this.#windows.push(new HostWindow(range));
  }

  /** Forgets the window with exactly this range; false if there is none. */
  delete(range: AddressRange): boolean {
    const at = this.#windows.findIndex(
      (window) => window.range.first === range.first && window.range.last === range.last,
    );
    if (at >= 0) this.#windows.splice(at, 1);
    return at >= 0;
  }

  /** Why a range cannot become a window; QEMU's text lacks a blank, and so does this one. */
  overlapWith(range: AddressRange): string | undefined {
    const other = this.#windows.find((window) => overlaps(window.range, range));
    return other === undefined
      ? undefined
      : `region ${show(range)} overlaps with existinghost DMA window ${show(other.range)}`;
  }

  /** Does a window contain all of a range? */
  contain(range: AddressRange): boolean {
    return this.#windows.some((window) => contains(window.range, range));
  }

  /** The window that an address, in halves of either sign, lies in. */
  at(hi: number, lo: number): HostWindow | undefined {
    for (let i = 0; i < this.#windows.length; i++) {
      const window = this.#windows[i]!;
      if (window.has(hi, lo)) return window;
    }
    return undefined;
  }
}

const show = (range: AddressRange): string => `[${hex(range.first)},${hex(range.last)}]`;
