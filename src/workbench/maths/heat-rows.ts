import type { HeatRows } from "../protocol.ts";
import { ROW_CELLS } from "./heat-grid.ts";

/** Powers of two: making one takes longer than all else that the place of a page needs. */
const POWERS = Float64Array.from({ length: 64 }, (_, power) => 2 ** power);

/** Pages of a row that is not folded. */
export const rowPages = (shift: number): number => ROW_CELLS * POWERS[shift]!;

/** The page behind a row. */
export const rowEnd = ({ shift, starts, folds }: HeatRows, row: number): number =>
  starts[row]! + folds[row]! * rowPages(shift);

/** The page behind the last row; 0 without rows. */
export const rowsEnd = (rows: HeatRows): number =>
  rows.starts.length === 0 ? 0 : rowEnd(rows, rows.starts.length - 1);

/** The row that a page is in; -1 before the first, their number behind the last. */
export function rowOfPage(rows: HeatRows, page: number): number {
  const { starts } = rows;
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= page) low = middle + 1;
    else high = middle;
  }
  return low > 0 && page >= rowEnd(rows, low - 1) ? low : low - 1;
}

/** Where a page stands among the rows, as a number of rows with a part: 1.5 is in the middle of the second. */
export function placeOfPage(rows: HeatRows, page: number): number {
  const row = rowOfPage(rows, page);
  if (row < 0) return 0;
  if (row >= rows.starts.length) return rows.starts.length;
  return row + (page - rows.starts[row]!) / (rows.folds[row]! * rowPages(rows.shift));
}

/** The page at a place. */
export function pageAtPlace(rows: HeatRows, place: number): number {
  const row = Math.max(0, Math.min(rows.starts.length - 1, Math.floor(place)));
  return Math.floor(rows.starts[row]! + (place - row) * rows.folds[row]! * rowPages(rows.shift));
}

/** The first page of a cell; of a folded row that is the first of all. */
export function pageOfCell({ shift, starts, folds }: HeatRows, cell: number): number {
  const row = Math.floor(cell / ROW_CELLS);
  return folds[row] === 1 ? starts[row]! + (cell % ROW_CELLS) * 2 ** shift : (starts[row] ?? 0);
}

/** Pages of a cell; a folded row is one cell. */
export function pagesOfCell({ shift, folds }: HeatRows, cell: number): number {
  const fold = folds[Math.floor(cell / ROW_CELLS)] ?? 1;
  return fold === 1 ? 2 ** shift : fold * rowPages(shift);
}

/** The cell that a page is in; undefined if that is not shown. */
export function cellOfPage(rows: HeatRows, page: number): number | undefined {
  const row = rowOfPage(rows, page);
  if (row < 0 || row >= rows.starts.length) return undefined;
  return (
    row * ROW_CELLS + (rows.folds[row] === 1 ? Math.floor((page - rows.starts[row]!) / 2 ** rows.shift) : 0)
  );
}

/** Are they the same rows? */
export const isSameRows = (a: HeatRows, b: HeatRows): boolean =>
  a.shift === b.shift &&
  a.starts.length === b.starts.length &&
  a.starts.every((start, row) => start === b.starts[row] && a.folds[row] === b.folds[row]);
