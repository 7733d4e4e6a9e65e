import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";

/** What a registry needs of a window. */
export interface NumberedWindow {
  /** Unique in the machine. */
  readonly liobn: number;
}

/** All DMA windows of a machine by LIOBN. */
export class LiobnRegistry<Window extends NumberedWindow> {
  readonly #windows = new Map<number, Window>();
  // The window found last. A guest works on one window for many calls.
  // Its LIOBN as a signed number; -1 (0xffffffff) is none that a bridge or a device can have.
  /** @internal */
  protected lastLiobn = -1;
  /** @internal */
  protected last: Window | undefined;

  /**
   * The window of a LIOBN. A LIOBN has 32 bits: any of the upper ones set
   * matches nothing (QEMU-TCE-1; QEMU logs "Request for out-of-bounds LIOBN").
   */
  find(hi: number, lo: number): Window | undefined {
    // As signed numbers: those of PCI windows would not be small integers for V8.
    return hi === 0 && (lo | 0) === this.lastLiobn ? this.last : this.search(hi, lo);
  }

  /** @internal */
  protected search(hi: number, lo: number): Window | undefined {
    if (hi !== 0) return undefined;
    const window = this.#windows.get(lo);
    if (window !== undefined) {
      this.lastLiobn = lo | 0;
      this.last = window;
    }
    return window;
  }

  /** @throws IommuError LIOBN_IN_USE if there is a window of that number already */
  add(window: Window): void {
    if (this.#windows.has(window.liobn)) {
      throw new IommuError(
        "LIOBN_IN_USE",
        `attempted to create a TCE table with duplicate LIOBN ${hex(window.liobn)}`,
        {
          liobn: window.liobn,
        },
      );
    }
    this.#windows.set(window.liobn, window);
  }

  remove(window: Window): void {
    this.#windows.delete(window.liobn);
    this.lastLiobn = -1;
    this.last = undefined;
  }

  /** Windows in order of creation, which is the order of migration. */
  [Symbol.iterator](): IterableIterator<Window> {
    return this.#windows.values();
  }
}
