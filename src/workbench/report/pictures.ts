import { emptyCells } from "../desk/contents.ts";
import { LifePicture } from "../desk/life-picture.ts";
import type { Recording } from "../desk/recording.ts";
import { heatPicture } from "../draw/heat-picture.ts";
import { lanePicture } from "../draw/lane-picture.ts";
import { lifePicture } from "../draw/life-lines.ts";
import type { Picture } from "../draw/renderer.ts";
import { type HeatView, insideHeat, ROW_CELLS, wholeView } from "../maths/heat-grid.ts";
import type { View } from "../maths/view.ts";
import { type Axis, EVENT_CLASSES, type Lanes, type LifeLines, type Space } from "../protocol.ts";
import type { Mark } from "./svg.ts";

/** Pixels of pictures, from side to side. */
export const WIDTH = 1120;
const LIFE_HEIGHT = 160;
/** Columns that are cut of time: each has two pixels. */
const COLUMNS = WIDTH / 2;
/** Rows of heat maps, and pixels of each. */
const [HEAT_ROWS, CELL_HEIGHT] = [12, 11];
/** Rows of the heat map of a finding. */
const NEAR_ROWS = 4;

/** The axis of a recording: its times, or, where not all events have one, their numbers. */
export interface WholeAxis {
  readonly axis: Axis;
  readonly view: View;
}

/** All of a recording. */
export function axisOf({ rows }: Recording): WholeAxis {
  const { seconds, length } = rows;
  return seconds > 0
    ? { axis: "time", view: { from: 0, to: seconds * (1 + 1e-9) } }
    : { axis: "event", view: { from: 0, to: Math.max(1, length) } };
}

/** What all lanes have, by columns. */
export const lanesOf = ({ rows }: Recording, { axis, view }: WholeAxis): Lanes =>
  rows.columns(axis, view.from, view.to, COLUMNS);

/** Some lanes of a recording. */
export const timePicture = (lanes: Lanes, names: readonly string[], shown: readonly number[]): Picture =>
  lanePicture(lanes, names, WIDTH, { lanes: shown, classes: new Set(EVENT_CLASSES) });

/** The lifetimes of all mappings of a space. */
export function lifetimesOf(
  recording: Recording,
  space: Space,
  { axis, view }: WholeAxis,
): { readonly lines: LifeLines; readonly picture: Picture } {
  const { rows } = recording;
  const pages = { from: 0, to: space.pages };
  const plan = {
    from: 0,
    to: rows.length,
    first: 0,
    end: space.pages,
    columns: COLUMNS,
    height: LIFE_HEIGHT,
  };
  const drawn = new LifePicture(plan);
  recording.draw(space, drawn);
  const { lines } = drawn;
  const placeOf = (event: number): number => {
    if (event < 0) return Number.NaN;
    return axis === "time" && event !== Number.POSITIVE_INFINITY ? rows.secondsOf(event) : event;
  };
  const placed = { ...lines, starts: lines.starts.map(placeOf), ends: lines.ends.map(placeOf) };
  return { lines, picture: lifePicture(placed, view, pages, { width: WIDTH, height: LIFE_HEIGHT }) };
}

/** A space after an event: all of it, or, with a page, the rows around that. */
export function heatOf(
  recording: Recording,
  space: Space,
  event: number,
  page?: number,
): { readonly view: HeatView; readonly picture: Picture } {
  const most = page === undefined ? HEAT_ROWS : NEAR_ROWS;
  const view = page === undefined ? wholeView(space.pages, most) : around(page, space.pages, most);
  const rows = Math.min(most, Math.ceil((space.pages - view.first) / (ROW_CELLS * 2 ** view.shift)));
  const plan = { first: view.first, shift: view.shift, cells: rows * ROW_CELLS };
  const cells = emptyCells(space.number, plan, false);
  recording.contents(space, event)?.fill(plan, cells);
  const size = { width: WIDTH, cellHeight: CELL_HEIGHT };
  return { view, picture: heatPicture(cells, "permission", size, space.pages, event) };
}

/** Where pages stand in a heat map of single ones, row by row, as far as they are shown. */
export function marksOf({ first }: HeatView, picture: Picture, page: number, count: number): Mark[] {
  const width = WIDTH / ROW_CELLS;
  const marks: Mark[] = [];
  const end = Math.min(page + count, first + Math.round(picture.height / CELL_HEIGHT) * ROW_CELLS);
  for (let at = page; at < end; ) {
    const row = Math.floor((at - first) / ROW_CELLS);
    const next = Math.min(end, first + (row + 1) * ROW_CELLS);
    const x = ((at - first) % ROW_CELLS) * width;
    marks.push({ x, y: row * CELL_HEIGHT, width: (next - at) * width - 1, height: CELL_HEIGHT - 1 });
    at = next;
  }
  return marks;
}

/** Single pages, with the one that is meant in the second row. */
const around = (page: number, pages: number, rows: number): HeatView =>
  insideHeat({ first: (Math.floor(page / ROW_CELLS) - 1) * ROW_CELLS, shift: 0 }, pages, rows);
