import type { HeatView } from "../protocol.ts";

/** What colours of a heat map say. */
export const HEAT_COLOURS = ["permission", "age", "size", "owner", "certainty", "change"] as const;

/** One of {@link HEAT_COLOURS}. */
export type HeatColour = (typeof HEAT_COLOURS)[number];

/** Cells in a row of the heat map. */
export const ROW_CELLS = 64;

/** The level at which all of a space is in so many rows. */
export function wholeShift(pages: number, rows: number): number {
  const cells = ROW_CELLS * Math.max(1, rows);
  return Math.max(0, Math.ceil(Math.log2(Math.max(1, pages / cells))));
}

/**
 * The next level: cells are split in two, or two are joined, and the page at the cursor keeps its row.
 *
 * @param levels below 0: cells are split
 */
export function zoomedHeat(
  { shift }: HeatView,
  pages: number,
  rows: number,
  at: { readonly page: number; readonly row: number },
  levels: number,
): HeatView {
  const level = Math.max(0, Math.min(wholeShift(pages, rows), shift + levels));
  return { first: at.page, shift: level, row: at.row };
}
