import { type AddressRange, contains, overlaps } from "../base/range.ts";
import { hex } from "../base/u64.ts";

/** A window of the host that QEMU knows of. */
export interface HostWindow {
  readonly range: AddressRange;
  /** Bytes of the smallest page. */
  readonly pageSize: bigint;
}

/** The windows of the host that a container may map into (QEMU's VFIOHostDMAWindow list). */
export class HostWindows {
  readonly #windows: HostWindow[] = [];

  get all(): readonly HostWindow[] {
    return this.#windows;
  }

  add(window: HostWindow): void {
    this.#windows.push(window);
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
}

const show = (range: AddressRange): string => `[${hex(range.first)},${hex(range.last)}]`;
