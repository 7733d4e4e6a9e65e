import { cellsOf, lanesOf, livesOf } from "../desk/answers.ts";
import { allAtOnce } from "../desk/breathe.ts";
import type { Recording } from "../desk/recording.ts";
import { RowLayout } from "../desk/row-layout.ts";
import { type Stretch, UsedRows } from "../desk/used-rows.ts";
import { CELL_HEIGHT, heatPicture } from "../draw/heat-picture.ts";
import { lanePicture } from "../draw/lane-picture.ts";
import { lifePicture } from "../draw/life-lines.ts";
import type { Picture } from "../draw/renderer.ts";
import { ROW_CELLS } from "../maths/heat-grid.ts";
import type { View } from "../maths/view.ts";
import { type Axis, EVENT_CLASSES, type HeatRows, type LifeLines, type Space } from "../protocol.ts";
import type { Mark } from "./svg.ts";

/** Pixels of pictures, from side to side. */
const WIDTH = 1120;
const LIFE_HEIGHT = 160;
/** Columns that are cut of time: each has two pixels. */
const COLUMNS = WIDTH / 2;
/** Rows of a heat map, and of one of the pages around a finding. */
const [HEAT_ROWS, NEAR_ROWS] = [12, 4];

/** The axis of a recording: its times, or, where not all events have one, their numbers. */
export interface WholeAxis {
  readonly axis: Axis;
  readonly view: View;
}

/** All of a recording. */
function axisOf({ rows }: Recording): WholeAxis {
  const { seconds, length } = rows;
  return seconds > 0
    ? { axis: "time", view: { from: 0, to: seconds * (1 + 1e-9) } }
    : { axis: "event", view: { from: 0, to: Math.max(1, length) } };
}

/** Pictures of a recording, on one axis. */
export class Pictures {
  readonly recording: Recording;
  readonly whole: WholeAxis;
  readonly #spaces = new Map<number, SpacePictures>();

  constructor(recording: Recording) {
    this.recording = recording;
    this.whole = axisOf(recording);
  }

  /** Some of its lanes. */
  time(shown: readonly number[]): Picture {
    const { axis, view } = this.whole;
    const lanes = lanesOf(this.recording, { axis, ...view, columns: COLUMNS });
    const { lanes: names } = this.recording.rows;
    return lanePicture(lanes, names, WIDTH, { lanes: shown, classes: new Set(EVENT_CLASSES) });
  }

  /** Those of one space: which of its rows are used is looked for once. */
  of(space: Space): SpacePictures {
    let found = this.#spaces.get(space.number);
    if (found === undefined) {
      found = new SpacePictures(this.recording, space);
      this.#spaces.set(space.number, found);
    }
    return found;
  }
}

/** A heat map, and which pages it shows. */
export interface Heat {
  readonly rows: HeatRows;
  readonly picture: Picture;
}

/** Pictures of one space. */
class SpacePictures {
  readonly #recording: Recording;
  readonly #space: Space;
  readonly #used: readonly Stretch[];

  constructor(recording: Recording, space: Space) {
    this.#recording = recording;
    this.#space = space;
    const used = new UsedRows();
    allAtOnce(recording.draw(space, used));
    this.#used = used.stretches;
  }

  /** The lifetimes of all its mappings. */
  lifetimes({ axis, view }: WholeAxis): { readonly lines: LifeLines; readonly picture: Picture } {
    const { number, pages } = this.#space;
    const rows = new RowLayout(this.#used, pages).fit(HEAT_ROWS);
    const place = { space: number, rows, columns: COLUMNS, height: LIFE_HEIGHT };
    const lines = allAtOnce(livesOf(this.#recording, { axis, ...view, ...place }));
    return { lines, picture: lifePicture(lines, view, rows, { width: WIDTH, height: LIFE_HEIGHT }) };
  }

  /** What is in it after an event: all of it, or single pages around one, which is in the second row. */
  heat(event: number, page?: number): Heat {
    const { number, pages } = this.#space;
    const view = page === undefined ? undefined : { first: page, shift: 0, row: 1 };
    const room = page === undefined ? HEAT_ROWS : NEAR_ROWS;
    const open = page === undefined ? [] : [{ first: page, end: page + 1 }];
    const ask = { event, space: number, view, rows: room, open };
    const cells = cellsOf(this.#recording, ask, this.#used, undefined);
    const size = { width: WIDTH, cellHeight: CELL_HEIGHT };
    return { rows: cells, picture: heatPicture(cells, "permission", size, pages, event) };
  }
}

/** Where pages stand in a heat map of single ones, row by row, as far as they are shown. */
export function marksOf({ starts, folds }: HeatRows, page: number, count: number): Mark[] {
  const width = WIDTH / ROW_CELLS;
  return [...starts].flatMap((start, row): Mark[] => {
    const from = Math.max(page, start);
    const end = Math.min(page + count, start + ROW_CELLS);
    if (folds[row] !== 1 || from >= end) return [];
    const [x, y] = [(from - start) * width, row * CELL_HEIGHT];
    return [{ x, y, width: (end - from) * width - 1, height: CELL_HEIGHT - 1 }];
  });
}
