import { type HeatColour, ROW_CELLS } from "../maths/heat-grid.ts";
import type { Cells } from "../protocol.ts";
import { Bars, inkOf, type Picture } from "./renderer.ts";

const [READ, WRITE] = [0b0010, 0b0100];

/** The heat map of some rows: a cell that has anything in it has ink. */
export function heatPicture(
  cells: Cells,
  colour: HeatColour,
  size: { readonly width: number; readonly cellHeight: number },
  pages: number,
  newest: number,
): Picture {
  const bars = new Bars();
  const count = cells.mapped.length;
  const width = size.width / ROW_CELLS;
  const { cellHeight } = size;
  const cellPages = 2 ** cells.shift;
  for (let cell = 0; cell < count; cell++) {
    const first = cells.first + cell * cellPages;
    if (first >= pages) break;
    const x = (cell % ROW_CELLS) * width;
    const y = Math.floor(cell / ROW_CELLS) * cellHeight;
    const inside = Math.min(cellPages, pages - first);
    const ink = inkOfCell(cells, cell, inside, colour, newest);
    bars.add(x, y, width - 1, cellHeight - 1, ink);
    if (colour === "permission" && cells.inferred[cell]! > 0)
      bars.add(x, y, width - 1, cellHeight - 1, inkOf("inferred"));
  }
  return { width: size.width, height: Math.ceil(count / ROW_CELLS) * cellHeight, bars, labels: [] };
}

function inkOfCell(cells: Cells, cell: number, pages: number, colour: HeatColour, newest: number): number {
  const mapped = cells.mapped[cell]!;
  if (colour === "change" && cells.came.length > 0) {
    const [came, went] = [cells.came[cell]!, cells.went[cell]!];
    if (came + went > 0) return inkOf(came >= went ? "came" : "went");
    return mapped > 0 ? inkOf("occupancy") : inkOf("empty");
  }
  if (mapped === 0) return inkOf(cells.unknown[cell]! > 0 ? "unknown" : "empty");
  if (colour === "age") {
    const since = cells.since[cell]!;
    if (since < 0) return inkOf("age-5");
    const age = newest <= 0 ? 0 : 1 - since / newest;
    return inkOf(`age-${Math.min(5, 1 + Math.floor(age * 5)) as 1 | 2 | 3 | 4 | 5}`);
  }
  if (colour === "certainty") return inkOf(cells.inferred[cell]! > 0 ? "inferred" : "read-3");
  const access = cells.access[cell]!;
  const hue = access === READ ? "read" : access === WRITE ? "write" : "both";
  // One of many is a quarter, too: it must be seen.
  const step = Math.min(4, 1 + Math.floor((mapped / pages) * 3.999)) as 1 | 2 | 3 | 4;
  return inkOf(`${hue}-${step}`);
}
