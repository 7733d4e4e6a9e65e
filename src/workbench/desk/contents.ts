import type { Cells, Row } from "../protocol.ts";

/** A stretch of pages `[first, end)` of a space. */
export interface PageRange {
  readonly first: number;
  readonly end: number;
}

/** Which cells of a heat map: each has 2^shift pages, from page `first` on. */
export interface CellPlan {
  readonly first: number;
  readonly shift: number;
  readonly cells: number;
}

/** What is in a space at a moment. */
export interface Contents {
  /** Pages that are mapped, concluded, and unknown. */
  readonly mapped: number;
  readonly inferred: number;
  readonly unknown: number;
  /** Visits the rows of a range, in order of addresses. */
  forEachRow(range: PageRange, visit: (row: Row) => void): void;
  /** Fills the cells of a plan. */
  fill(plan: CellPlan, cells: Cells): void;
}

/** Cells with nothing in them. */
export function emptyCells(space: number, { first, shift, cells }: CellPlan, hasMark: boolean): Cells {
  const numbers = (): Float64Array => new Float64Array(cells);
  return {
    space,
    first,
    shift,
    mapped: numbers(),
    unknown: numbers(),
    inferred: numbers(),
    access: new Uint8Array(cells),
    since: numbers().fill(-1),
    came: new Float64Array(hasMark ? cells : 0),
    went: new Float64Array(hasMark ? cells : 0),
  };
}

/** Calls `visit` for each cell that a stretch of pages reaches into, with how many of its pages are in there. */
export function forEachCell(
  { first, shift, cells }: CellPlan,
  from: number,
  count: number,
  visit: (cell: number, pages: number) => void,
): void {
  const size = 2 ** shift;
  const start = Math.max(from, first);
  const end = Math.min(from + count, first + cells * size);
  for (let at = start; at < end; ) {
    const cell = Math.floor((at - first) / size);
    const next = Math.min(end, first + (cell + 1) * size);
    visit(cell, next - at);
    at = next;
  }
}
