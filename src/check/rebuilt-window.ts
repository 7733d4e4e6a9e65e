import type { DmaWindow } from "../spapr/dma-window.ts";
import { TceTable } from "../tce/tce-table.ts";

/** How sure we are of an entry. */
export const Certainty = {
  /** Printed by the trace, or known to be empty. */
  KNOWN: 0,
  /** Concluded from the last entry of a list, on the assumption that the list is linear. */
  INFERRED: 1,
  /** May hold anything. */
  UNKNOWN: 2,
} as const;

/** Entries of a window by how sure we are of them. The four classes add up to the window. */
export interface EntryClasses {
  /** Not zero, and printed by the trace or confirmed by it. */
  known: number;
  inferred: number;
  unknown: number;
  /** Known to be zero. */
  empty: number;
}

/**
 * A DMA window that a trace tells of, with a second table that says how sure we
 * are of each entry. That one is sparse, too: an unknown window is one run.
 */
export class RebuiltWindow {
  readonly window: DmaWindow;
  /** The trace did not tell the geometry: QEMU's defaults are assumed, and an end that is far enough. */
  assumed: boolean;
  #certainty: TceTable;

  constructor(window: DmaWindow, certainty: number, assumed: boolean) {
    this.window = window;
    this.assumed = assumed;
    this.#certainty = new TceTable({ length: window.entries, pageShift: 0 });
    this.mark(0, window.entries, certainty);
  }

  /** Says how sure we are of entries from now on. */
  mark(first: number, count: number, certainty: number): void {
    if (certainty === Certainty.KNOWN && this.#certainty.storedCount === 0) return;
    if (count === 1) this.#certainty.put(first, 0, certainty);
    else this.#certainty.fill(first, count, 0, certainty);
  }

  /** Marks all entries that are not known to be empty as unknown. */
  doubtStored(): void {
    this.window.table?.forEachStoredRun(0, this.window.entries, (first, count) => {
      this.mark(first, count, Certainty.UNKNOWN);
    });
  }

  certainty(index: number): number {
    if (this.#certainty.storedCount === 0) return Certainty.KNOWN;
    this.#certainty.load(index);
    return this.#certainty.lo;
  }

  /** Counts the entries of each class; costs what is mapped or in doubt. */
  classes(): EntryClasses {
    const { table, entries } = this.window;
    const classes: EntryClasses = { known: table?.storedCount ?? 0, inferred: 0, unknown: 0, empty: 0 };
    this.#certainty.forEachStoredRun(0, entries, (first, count, _hi, certainty) => {
      if (certainty === Certainty.INFERRED) classes.inferred += count;
      else classes.unknown += count;
      table?.forEachStoredRun(first, first + count, (_first, stored) => {
        classes.known -= stored;
      });
    });
    classes.empty = entries - classes.known - classes.inferred - classes.unknown;
    return classes;
  }
}
