import { ROW_CELLS } from "../maths/heat-grid.ts";
import { rowEnd, rowOfPage } from "../maths/heat-rows.ts";
import type { Cells, HeatRows, Row } from "../protocol.ts";

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
  /** Fills the cells of some rows. */
  fill(cells: Cells, detail: CellDetail | undefined): void;
}

/** What of a cell takes time to find, and is found only if it is asked for. */
export type CellDetail = "size" | "owner";

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

/** Calls `visit` for each cell that a stretch of pages reaches into, with how many of its pages are in there. */
export function forEachCell(
  rows: HeatRows,
  from: number,
  count: number,
  visit: (cell: number, pages: number) => void,
): void {
  const { shift, starts, folds } = rows;
  const end = from + count;
  const size = 2 ** shift;
  for (let row = Math.max(0, rowOfPage(rows, from)); row < starts.length && starts[row]! < end; row++) {
    const first = starts[row]!;
    const stop = Math.min(end, rowEnd(rows, row));
    const at = Math.max(from, first);
    if (at >= stop) continue;
    if (folds[row] !== 1) {
      visit(row * ROW_CELLS, stop - at);
      continue;
    }
    for (let page = at; page < stop; ) {
      const column = Math.floor((page - first) / size);
      const next = Math.min(stop, first + (column + 1) * size);
      visit(row * ROW_CELLS + column, next - page);
      page = next;
    }
  }
}
