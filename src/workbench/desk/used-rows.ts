import { ROW_CELLS } from "../maths/heat-grid.ts";
import type { LifeTaker } from "./life-picture.ts";

/** Rows `[first, end)`. */
export type Stretch = readonly [first: number, end: number];

/** Mappings of more pages are kept as what they are, and not row by row. */
const LONG = 2 ** 16;

/** Rows of which it is known that they are in the set: a driver goes around in the same ones. */
const RECENT = 2 ** 10;

/** Which rows of 64 pages had any mapping at any time. */
export class UsedRows implements LifeTaker {
  readonly from = 0;
  readonly #rows = new Set<number>();
  readonly #long: Stretch[] = [];
  readonly #recent = new Float64Array(RECENT).fill(-1);

  add(_start: number, _end: number, first: number, pages: number): void {
    const row = Math.floor(first / ROW_CELLS);
    const last = Math.floor((first + pages - 1) / ROW_CELLS);
    const place = row % RECENT;
    if (row === last && this.#recent[place] === row) return;
    if (pages > LONG) {
      this.#long.push([row, last + 1]);
      return;
    }
    for (let at = row; at <= last; at++) this.#rows.add(at);
    this.#recent[place] = row;
  }

  /** Stretches of rows `[first, end)`, in order, none of which touches the next. */
  get stretches(): Stretch[] {
    return joined([...this.#long, ...[...this.#rows].map((row): Stretch => [row, row + 1])]);
  }
}

/** Stretches in order, of which those that touch are one. */
export function joined(stretches: readonly Stretch[]): Stretch[] {
  const all: [first: number, end: number][] = [];
  for (const [first, end] of stretches.toSorted((a, b) => a[0] - b[0])) {
    const before = all.at(-1);
    if (before !== undefined && first <= before[1]) before[1] = Math.max(before[1], end);
    else all.push([first, end]);
  }
  return all;
}
