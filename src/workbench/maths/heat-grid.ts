/** What colours of a heat map say. */
export const HEAT_COLOURS = ["permission", "age", "certainty", "change"] as const;

/** One of {@link HEAT_COLOURS}. */
export type HeatColour = (typeof HEAT_COLOURS)[number];

/** Cells in a row of the heat map. */
export const ROW_CELLS = 64;

/** Which pages a heat map shows: rows of {@link ROW_CELLS} cells, each 2^shift pages, from page `first` on. */
export interface HeatView {
  readonly first: number;
  readonly shift: number;
}

/** The view that has all of a space in so many rows. */
export function wholeView(pages: number, rows: number): HeatView {
  const cells = ROW_CELLS * Math.max(1, rows);
  return { first: 0, shift: Math.max(0, Math.ceil(Math.log2(Math.max(1, pages / cells)))) };
}

/** Pages that so many rows show. */
export const shownPages = ({ shift }: HeatView, rows: number): number => rows * ROW_CELLS * 2 ** shift;

/** The first page of a cell. */
export const pageOfCell = ({ first, shift }: HeatView, cell: number): number => first + cell * 2 ** shift;

/** The cell that a page is in; it may lie outside of what is shown. */
export const cellOfPage = ({ first, shift }: HeatView, page: number): number =>
  Math.floor((page - first) / 2 ** shift);

/**
 * The next level: cells are split in two, or two are joined, and the cell at the cursor keeps its row as far as that is
 * possible. Rows begin where rows of the level begin, so that a row is split into two rows.
 */
export function zoomedHeat(
  view: HeatView,
  pages: number,
  rows: number,
  cell: number,
  levels: number,
): HeatView {
  const most = wholeView(pages, rows).shift;
  const shift = Math.max(0, Math.min(most, view.shift + levels));
  const page = pageOfCell(view, cell);
  const row = Math.floor(cell / ROW_CELLS);
  const rowPages = ROW_CELLS * 2 ** shift;
  return insideHeat({ first: (Math.floor(page / rowPages) - row) * rowPages, shift }, pages, rows);
}

/** The view moved by rows. */
export const scrolledHeat = (view: HeatView, pages: number, rows: number, by: number): HeatView =>
  insideHeat({ ...view, first: view.first + by * ROW_CELLS * 2 ** view.shift }, pages, rows);

/** The view, moved so that it does not pass the ends of a space. */
export function insideHeat({ first, shift }: HeatView, pages: number, rows: number): HeatView {
  const rowPages = ROW_CELLS * 2 ** shift;
  const all = Math.ceil(pages / rowPages);
  const row = Math.max(0, Math.min(Math.floor(first / rowPages), all - rows));
  return { first: row * rowPages, shift };
}

/** A view that shows a stretch of pages: the one given, if it shows the first of them already. */
export function revealingHeat(view: HeatView, pages: number, rows: number, page: number): HeatView {
  const cell = cellOfPage(view, page);
  if (cell >= 0 && cell < rows * ROW_CELLS) return view;
  const rowPages = ROW_CELLS * 2 ** view.shift;
  const row = Math.floor(page / rowPages) - Math.floor(rows / 2);
  return insideHeat({ ...view, first: row * rowPages }, pages, rows);
}
