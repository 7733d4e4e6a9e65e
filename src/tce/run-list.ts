/**
 * Lists of runs: sorted entries that are not zero.
 *
 * A list is an array of numbers, {@link CELLS} for each run: `first, count, hi,
 * lo, step`, which mean what they mean in {@link Run}. A run of one entry has
 * step 0.
 *
 * @module
 */

import type { Run } from "./run.ts";

/** Numbers that describe one run. */
export const CELLS = 5;

/**
 * Where in a list an entry belongs: the position of the first run that ends
 * behind it (the length of the list if there is none).
 */
export function searchRuns(cells: readonly number[], index: number): number {
  let low = 0;
  let high = cells.length / CELLS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * CELLS;
    if (cells[at]! + cells[at + 1]! <= index) low = middle + 1;
    else high = middle;
  }
  return low * CELLS;
}

/** Loads the run at a position of a list. */
export function loadRun(cells: readonly number[], at: number, into: Run): Run {
  const first = cells[at]!;
  return into.set(first, first + cells[at + 1]!, cells[at + 2]!, cells[at + 3]!, cells[at + 4]!);
}

/** Appends a run to a list that ends before it, joining it with the last one where the values go on. */
export function pushRun(cells: number[], run: Run): void {
  const { page, first, hi, lo, step } = run;
  const count = run.end - first;
  const at = cells.length - CELLS;
  if (at >= 0 && cells[at]! + cells[at + 1]! === first) {
    const was = cells[at + 1]!;
    const wasStep = cells[at + 4]!;
    const hi0 = cells[at + 2]!;
    const lo0 = cells[at + 3]!;
    if ((was === 1 || wasStep === 0) && (count === 1 || step === 0) && hi0 === hi && lo0 === lo) {
      cells[at + 1] = was + count;
      cells[at + 4] = 0;
      return;
    }
    // A step below 4 bytes would change the permission bits: such values are not a linear run.
    if (
      page.shift >= 2 &&
      (was === 1 || wasStep === 1) &&
      (count === 1 || step === 1) &&
      page.follows(hi0, lo0, was, hi, lo)
    ) {
      cells[at + 1] = was + count;
      cells[at + 4] = 1;
      return;
    }
  }
  cells.push(first, count, hi, lo, count === 1 ? 0 : step);
}

/** What {@link overwrite} replaces in a list. */
export interface Replacement {
  /** Position of the first cell that goes, and of the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** What comes instead. */
  readonly cells: number[];
}

/**
 * What becomes of a list when one more run is written over it; the value zero
 * erases. Only the runs that it touches, and the two beside them, which it may
 * join, take part.
 *
 * @param was scratch, so is `part`
 */
export function overwrite(cells: readonly number[], run: Run, was: Run, part: Run): Replacement {
  const { first, end } = run;
  const at = searchRuns(cells, first);
  let to = at;
  while (to < cells.length && cells[to]! < end) to += CELLS;
  const from = Math.max(at - CELLS, 0);
  const behind = Math.min(to + CELLS, cells.length);
  const out: number[] = [];
  let next = from;
  for (; next < behind && cells[next]! < first; next += CELLS) {
    loadRun(cells, next, was);
    pushRun(out, was.end <= first ? was : part.setPart(was, was.first, first));
    if (was.end > first) break;
  }
  if ((run.hi | run.lo) !== 0) pushRun(out, run);
  for (; next < behind; next += CELLS) {
    loadRun(cells, next, was);
    if (was.first >= end) pushRun(out, was);
    else if (was.end > end) pushRun(out, part.setPart(was, end, was.end));
  }
  return { from, to: behind, cells: out };
}

/** Makes a replacement in a list, in place. */
export function replaceCells(cells: number[], { from, to, cells: by }: Replacement): void {
  const more = by.length - (to - from);
  const was = cells.length;
  if (more > 0) {
    for (let i = 0; i < more; i++) cells.push(0);
    for (let i = was - 1; i >= to; i--) cells[i + more] = cells[i]!;
  } else if (more < 0) {
    for (let i = to; i < was; i++) cells[i + more] = cells[i]!;
    cells.length = was + more;
  }
  for (let i = 0; i < by.length; i++) cells[from + i] = by[i]!;
}
