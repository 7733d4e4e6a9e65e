import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import type { DmaWindow } from "./dma-window.ts";

/** All DMA windows of a machine by LIOBN. */
export class LiobnRegistry {
  readonly #windows = new Map<number, DmaWindow>();
  // The window found last. A guest works on one window for many calls.
  // Its LIOBN as a signed number; -1 (0xffffffff) is none that a bridge or a device can have.
  #lastLiobn = -1;
  #last: DmaWindow | undefined;

  /**
   * The window of a LIOBN. A LIOBN has 32 bits: any of the upper ones set
   * matches nothing (QEMU-TCE-1; QEMU logs "Request for out-of-bounds LIOBN").
   */
  find(hi: number, lo: number): DmaWindow | undefined {
    if (hi !== 0) return undefined;
    // As signed numbers: those of PCI windows would not be small integers for V8.
    if ((lo | 0) === this.#lastLiobn) return this.#last;
    const window = this.#windows.get(lo);
    if (window !== undefined) {
      this.#lastLiobn = lo | 0;
      this.#last = window;
    }
    return window;
  }

  /** @throws IommuError LIOBN_IN_USE if there is a window of that number already */
  add(window: DmaWindow): void {
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

  remove(window: DmaWindow): void {
    this.#windows.delete(window.liobn);
    this.#lastLiobn = -1;
    this.#last = undefined;
  }

  /** Windows in order of creation, which is the order of migration. */
  [Symbol.iterator](): IterableIterator<DmaWindow> {
    return this.#windows.values();
  }
}
