import { ROW_CELLS } from "../maths/heat-grid.ts";
import { rowEnd, rowOfPage } from "../maths/heat-rows.ts";
import type { Cells, HeatRows, Row, RowsAnswer } from "../protocol.ts";

/** A stretch of pages `[first, end)` of a space. */
export interface PageRange {
  readonly first: number;
  readonly end: number;
}

/** What is in a space at a moment. */
export interface Contents {
  /** Pages that are mapped, concluded, and unknown. */
  readonly mapped: number;
  readonly inferred: number;
  readonly unknown: number;
  /** Pages that are mapped in `[first, end)`; costs little, however many they are. */
  mappedIn(first: number, end: number): number;
  /** Visits the rows of a range, in order of addresses. */
  forEachRow(range: PageRange, visit: (row: Row) => void): void;
  /** The first rows of a range, and how many pages are mapped or unknown behind them; costs little, however many these are. */
  rows(range: PageRange, limit: number): RowsAnswer;
  /** Fills the cells of some rows. */
  fill(cells: Cells, detail: CellDetail | undefined): void;
}

/** What of a cell takes time to find, and is found only if it is asked for. */
export type CellDetail = "size" | "owner" | "age";

/** Cells with nothing in them. */
export function emptyCells(space: number, rows: HeatRows, hasBefore: boolean): Cells {
  const cells = rows.starts.length * ROW_CELLS;
  const numbers = (): Float64Array => new Float64Array(cells);
  return {
    space,
    ...rows,
    mapped: numbers(),
    unknown: numbers(),
    inferred: numbers(),
    access: new Uint8Array(cells),
    since: numbers().fill(-1),
    sizes: numbers(),
    owners: new Uint8Array(cells),
    ownerNames: [],
    came: new Float64Array(hasBefore ? cells : 0),
    went: new Float64Array(hasBefore ? cells : 0),
  };
}

/** Takes a cell, and how many pages of a stretch are in it. */
type CellVisitor = (cell: number, pages: number) => void;

/** Finds the cells of some rows that stretches of pages reach into. They are quickest found in order, as many fall into one cell. */
export class CellFinder {
  readonly #rows: HeatRows;
  /** The cell that was visited last, and its pages. */
  #cell = 0;
  #first = 0;
  #end = 0;

  constructor(rows: HeatRows) {
    this.#rows = rows;
  }

  /** Calls `visit` for each cell that a stretch reaches into. */
  forEach(from: number, count: number, visit: CellVisitor): void {
    if (from >= this.#first && from + count <= this.#end) visit(this.#cell, count);
    else this.#find(from, count, visit);
  }

  #find(from: number, count: number, visit: CellVisitor): void {
    const { shift, starts, folds } = this.#rows;
    const end = from + count;
    const size = 2 ** shift;
    for (
      let row = Math.max(0, rowOfPage(this.#rows, from));
      row < starts.length && starts[row]! < end;
      row++
    ) {
      const first = starts[row]!;
      const last = rowEnd(this.#rows, row);
      const stop = Math.min(end, last);
      const at = Math.max(from, first);
      if (at >= stop) continue;
      if (folds[row] !== 1) {
        this.#visit(row * ROW_CELLS, first, last, stop - at, visit);
        continue;
      }
      for (let page = at; page < stop; ) {
        const column = Math.floor((page - first) / size);
        const begin = first + column * size;
        const next = Math.min(stop, begin + size);
        this.#visit(row * ROW_CELLS + column, begin, begin + size, next - page, visit);
        page = next;
      }
    }
  }

  #visit(cell: number, first: number, end: number, pages: number, visit: CellVisitor): void {
    this.#cell = cell;
    this.#first = first;
    this.#end = end;
    visit(cell, pages);
  }
}
