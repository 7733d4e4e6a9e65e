import { permText } from "../../base/permission.ts";
import { Certainty, forEachCertainty } from "../../check/rebuild/rebuilt-window.ts";
import { forEachStateRun, type StateRun, type WindowState } from "../../check/state/window-state.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { rowEnd, rowsEnd } from "../maths/heat-rows.ts";
import type { Cells, Row, RowsAnswer } from "../protocol.ts";
import { type CellDetail, CellFinder, type Contents, type PageRange } from "./contents.ts";
import { Owners } from "./owners.ts";

/** A window, and which event changed each entry last, where that is known. */
export type ShownWindow = WindowState & { readonly since?: TceView };

/** Pages of the first stretch that is looked at for some rows, and how many times as many the next one has. */
const [LOOK_PAGES, LOOK_MORE] = [2 ** 12, 8];

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

  mappedIn(first: number, end: number): number {
    return end > first ? this.window.table.count(first, Math.min(end, this.window.entries)) : 0;
  }

  forEachRow(range: PageRange, visit: (row: Row) => void): void {
    const { first, end } = this.#inside(range);
    forEachStateRun(this.window, (run) => visit(this.#rowOf(run)), first, end);
  }

  rows(range: PageRange, limit: number): RowsAnswer {
    const { first, end } = this.#inside(range);
    // Who wants some of a million rows looks at no more than a few times as many.
    for (let pages = LOOK_PAGES; ; pages *= LOOK_MORE) {
      const to = Math.min(end, first + pages);
      const runs: StateRun[] = [];
      forEachStateRun(
        this.window,
        (run) => {
          if (runs.length <= limit) runs.push(run);
        },
        first,
        to,
      );
      if (to < end && runs.length <= limit) continue;
      const rows = runs.slice(0, limit).map((run) => this.#rowOf(run));
      const last = rows.at(-1);
      return { rows, more: this.#filledIn(last === undefined ? first : last.first + last.pages, end) };
    }
  }

  #inside({ first, end }: PageRange): PageRange {
    const { entries } = this.window;
    return { first: Math.min(Math.max(0, first), entries), end: Math.min(end, entries) };
  }

  /** Pages that are mapped or unknown. */
  #filledIn(first: number, end: number): number {
    const { table, certainties } = this.window;
    let pages = this.mappedIn(first, end);
    certainties.forEachStoredRun(first, end, (from, count, _hi, certainty) => {
      if (certainty === Certainty.UNKNOWN) pages += count - table.count(from, from + count);
    });
    return pages;
  }

  #rowOf(run: StateRun): Row {
    const { window } = this;
    const shift = BigInt(window.pageShift);
    const at = Number((run.ioba - window.busOffset) >> shift);
    return {
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
    };
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

  fill(cells: Cells, detail: CellDetail | undefined): void {
    const { entries } = this.window;
    for (const { first, end } of blocksOf(cells, entries)) {
      this.#fillBlock(first, end, cells);
      if (detail === "age") this.#fillAge(first, end, cells);
    }
    if (detail === "size" || detail === "owner") this.#fillDetail(cells, detail);
  }

  #fillBlock(from: number, end: number, cells: Cells): void {
    const { table, certainties } = this.window;
    const finder = new CellFinder(cells);
    table.forEachStoredRun(from, end, (first, count, _hi, lo) => {
      const perm = permOf(lo);
      if (perm === 0) return;
      finder.forEach(first, count, (cell, pages) => {
        cells.mapped[cell]! += pages;
        cells.access[cell]! |= 1 << perm;
      });
    });
    forEachCertainty(certainties, from, end, (first, count, certainty) => {
      if (certainty === Certainty.KNOWN) return;
      const into = certainty === Certainty.INFERRED ? cells.inferred : cells.unknown;
      finder.forEach(first, count, (cell, pages) => {
        into[cell]! += pages;
      });
    });
  }

  #fillAge(from: number, end: number, cells: Cells): void {
    const finder = new CellFinder(cells);
    this.window.since?.forEachStoredRun(from, end, (first, count, hi) => {
      finder.forEach(first, count, (cell) => {
        if (hi - 1 > cells.since[cell]!) cells.since[cell] = hi - 1;
      });
    });
  }

  /** Of a window a call is all that is known of who mapped something: how many pages it mapped, and what is allowed. */
  #fillDetail(cells: Cells, detail: CellDetail): void {
    const { table } = this.window;
    const owners = new Owners(cells);
    const finder = new CellFinder(cells);
    const [start, stop] = [cells.starts[0] ?? 0, rowsEnd(cells)];
    this.forEachAlive((first, count, event) => {
      if (first >= stop || first + count <= start) return;
      table.load(first);
      const pages = count === 1 ? "1 page" : `${count.toLocaleString("en")} pages`;
      const name = event < 0 ? "before the recording" : `${permText(permOf(table.lo))} ${pages} a call`;
      const owner = detail === "owner" ? owners.number(name) : 0;
      finder.forEach(first, count, (cell) => {
        cells.sizes[cell] = Math.max(cells.sizes[cell]!, count);
        if (owner > 0) owners.add(cell, owner);
      });
    });
  }

  /** Says in which cells pages are otherwise than they were. */
  compare(before: WindowContents, cells: Cells): void {
    const finder = new CellFinder(cells);
    const add = (into: Float64Array, first: number, count: number): void =>
      finder.forEach(first, count, (cell, pages) => {
        into[cell]! += pages;
      });
    diff(before.window.table, this.window.table, (first, count, _wasHi, wasLo, _was, _hi, lo) => {
      if (permOf(lo) !== 0) add(cells.came, first, count);
      else if (permOf(wasLo) !== 0) add(cells.went, first, count);
    });
  }
}

/** The stretches of pages that rows have, as far as the window goes. */
function blocksOf(cells: Cells, entries: number): PageRange[] {
  const blocks: { first: number; end: number }[] = [];
  for (const [row, first] of cells.starts.entries()) {
    const end = Math.min(entries, rowEnd(cells, row));
    const last = blocks.at(-1);
    if (last?.end === first) last.end = end;
    else if (end > first) blocks.push({ first, end });
  }
  return blocks;
}
