import { Certainty, forEachCertainty } from "../../check/rebuild/rebuilt-window.ts";
import { forEachStateRun, type WindowState } from "../../check/state/window-state.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import type { Cells, Row } from "../protocol.ts";
import { type CellPlan, type Contents, forEachCell, type PageRange } from "./contents.ts";

/** A window, and which event changed each entry last, where that is known. */
export type ShownWindow = WindowState & { readonly since?: TceView };

/** What is in a DMA window. */
export class WindowContents implements Contents {
  readonly window: ShownWindow;
  readonly mapped: number;
  readonly inferred: number;
  readonly unknown: number;

  constructor(window: ShownWindow) {
    this.window = window;
    let [inferred, unknown] = [0, 0];
    forEachCertainty(window.certainties, 0, window.entries, (_first, count, certainty) => {
      if (certainty === Certainty.INFERRED) inferred += count;
      else if (certainty === Certainty.UNKNOWN) unknown += count;
    });
    this.mapped = window.table.validCount;
    this.inferred = inferred;
    this.unknown = unknown;
  }

  forEachRow({ first, end }: PageRange, visit: (row: Row) => void): void {
    const { window } = this;
    const shift = BigInt(window.pageShift);
    const part = partOf(window, first, end);
    forEachStateRun(part, (run) => {
      const at = Number((run.ioba - window.busOffset) >> shift);
      visit({
        first: at,
        pages: run.pages,
        address: run.ioba,
        bytes: BigInt(run.pages) << shift,
        target: run.certainty === "unknown" ? undefined : run.target,
        sameTarget: run.sameTarget === true,
        access: run.perm,
        certainty: run.certainty,
        inferredPages: run.inferredPages ?? 0,
        since: this.#sinceOf(at, run.pages),
      });
    });
  }

  /** The first and the last event that changed any of these entries. */
  #sinceOf(first: number, pages: number): [number, number] {
    let [oldest, newest, at] = [Number.POSITIVE_INFINITY, -1, first];
    this.window.since?.forEachStoredRun(first, first + pages, (from, count, hi) => {
      if (from > at) oldest = -1;
      at = from + count;
      oldest = Math.min(oldest, hi - 1);
      newest = Math.max(newest, hi - 1);
    });
    return at < first + pages ? [-1, newest] : [oldest, newest];
  }

  /** Visits what is mapped, in stretches that one event mapped; -1 where nobody knows which. */
  forEachAlive(visit: (first: number, count: number, event: number) => void): void {
    const { table, since, entries } = this.window;
    table.forEachStoredRun(0, entries, (first, count, _hi, lo) => {
      if (permOf(lo) === 0) return;
      let at = first;
      since?.forEachStoredRun(first, first + count, (from, some, hi) => {
        if (from > at) visit(at, from - at, -1);
        visit(from, some, hi - 1);
        at = from + some;
      });
      if (at < first + count) visit(at, first + count - at, -1);
    });
  }

  fill(plan: CellPlan, cells: Cells): void {
    const { table, certainties, since, entries } = this.window;
    const end = Math.min(entries, plan.first + plan.cells * 2 ** plan.shift);
    table.forEachStoredRun(plan.first, end, (first, count, _hi, lo) => {
      const perm = permOf(lo);
      if (perm === 0) return;
      forEachCell(plan, first, count, (cell, pages) => {
        cells.mapped[cell]! += pages;
        cells.access[cell]! |= 1 << perm;
      });
    });
    forEachCertainty(certainties, plan.first, end, (first, count, certainty) => {
      if (certainty === Certainty.KNOWN) return;
      const into = certainty === Certainty.INFERRED ? cells.inferred : cells.unknown;
      forEachCell(plan, first, count, (cell, pages) => {
        into[cell]! += pages;
      });
    });
    since?.forEachStoredRun(plan.first, end, (first, count, hi) => {
      forEachCell(plan, first, count, (cell) => {
        if (hi - 1 > cells.since[cell]!) cells.since[cell] = hi - 1;
      });
    });
  }

  /** Says in which cells pages are otherwise than they were. */
  compare(before: WindowContents, plan: CellPlan, { came, went }: Cells): void {
    const add = (into: Float64Array, first: number, count: number): void =>
      forEachCell(plan, first, count, (cell, pages) => {
        into[cell]! += pages;
      });
    diff(before.window.table, this.window.table, (first, count, _wasHi, wasLo, _was, _hi, lo) => {
      if (permOf(lo) !== 0) add(came, first, count);
      else if (permOf(wasLo) !== 0) add(went, first, count);
    });
  }
}

/** The window with nothing but the entries of a range, and how sure we are of these; costs what is in there. */
function partOf(window: ShownWindow, first: number, end: number): WindowState {
  if (first <= 0 && end >= window.entries) return window;
  const table = new TceTable({ length: window.table.length, pageShift: window.pageShift });
  const certainties = new TceTable({ length: window.certainties.length, pageShift: 0 });
  const last = Math.min(end, window.entries);
  window.table.forEachStoredRun(first, last, (from, count, hi, lo, step) => {
    if (step === 0) table.fill(from, count, hi, lo);
    else table.putRun(from, count, hi, lo);
  });
  window.certainties.forEachStoredRun(first, last, (from, count, hi, lo) => {
    certainties.fill(from, count, hi, lo);
  });
  return { ...window, table, certainties };
}
