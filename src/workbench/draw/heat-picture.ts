import { type HeatColour, ROW_CELLS } from "../maths/heat-grid.ts";
import { pageOfCell, pagesOfCell } from "../maths/heat-rows.ts";
import type { Cells } from "../protocol.ts";
import { Bars, type Ink, inkOf, type Picture } from "./renderer.ts";

/** Pixels of a row. */
export const CELL_HEIGHT = 11;

const [READ, WRITE] = [0b0010, 0b0100];
/** What a cell has that several had a hand in. */
const SEVERAL = 255;

/** Pages of the largest mapping in a cell, up to which an ink goes. */
const SIZE_STEPS: readonly number[] = [1, 4, 16, 256];

/** The heat map of some rows: a cell that has anything in it has ink. A folded row is one line. */
export function heatPicture(
  cells: Cells,
  colour: HeatColour,
  size: { readonly width: number; readonly cellHeight: number },
  pages: number,
  newest: number,
): Picture {
  const bars = new Bars();
  const { width: whole, cellHeight } = size;
  const width = whole / ROW_CELLS;
  const rows = cells.starts.length;
  for (let row = 0; row < rows; row++) {
    const y = row * cellHeight;
    const isFolded = cells.folds[row] !== 1;
    for (let column = 0; column < (isFolded ? 1 : ROW_CELLS); column++) {
      const cell = row * ROW_CELLS + column;
      const first = pageOfCell(cells, cell);
      if (first >= pages) break;
      const inside = Math.min(pagesOfCell(cells, cell), pages - first);
      const ink = inkOf(inkOfCell(cells, cell, inside, colour, newest));
      const [height, top] = isFolded ? [3, y + (cellHeight - 4) / 2] : [cellHeight - 1, y];
      const place = [column * width, top, (isFolded ? whole : width) - 1, height] as const;
      bars.add(...place, ink);
      if (colour === "permission" && cells.inferred[cell]! > 0) bars.add(...place, inkOf("inferred"));
    }
  }
  return { width: whole, height: rows * cellHeight, bars, labels: [] };
}

function inkOfCell(cells: Cells, cell: number, pages: number, colour: HeatColour, newest: number): Ink {
  const mapped = cells.mapped[cell]!;
  if (colour === "change" && cells.came.length > 0) {
    const [came, went] = [cells.came[cell]!, cells.went[cell]!];
    if (came + went > 0) return came >= went ? "came" : "went";
    if (mapped > 0) return "occupancy";
    return cells.unknown[cell]! > 0 ? "unknown" : "empty";
  }
  if (mapped === 0) return cells.unknown[cell]! > 0 ? "unknown" : "empty";
  if (colour === "age") {
    const since = cells.since[cell]!;
    if (since < 0) return "age-5";
    const age = newest <= 0 ? 0 : 1 - since / newest;
    return `age-${Math.min(5, 1 + Math.floor(age * 5)) as 1 | 2 | 3 | 4 | 5}`;
  }
  if (colour === "size") {
    const step = SIZE_STEPS.findIndex((most) => cells.sizes[cell]! <= most);
    return `age-${(step < 0 ? 5 : step + 1) as 1 | 2 | 3 | 4 | 5}`;
  }
  if (colour === "owner") {
    const owner = cells.owners[cell]!;
    if (owner === SEVERAL) return "several";
    return owner === 0 ? "before" : `owner-${owner as 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}`;
  }
  if (colour === "certainty") return cells.inferred[cell]! > 0 ? "inferred" : "read-3";
  const access = cells.access[cell]!;
  const hue = access === READ ? "read" : access === WRITE ? "write" : "both";
  // One of many is a quarter, too: it must be seen.
  const step = Math.min(4, 1 + Math.floor((mapped / pages) * 3.999)) as 1 | 2 | 3 | 4;
  return `${hue}-${step}`;
}
