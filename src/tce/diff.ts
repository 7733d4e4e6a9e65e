import { IommuError } from "../base/errors.ts";
import type { PageStep } from "../base/page-step.ts";
import { toBig } from "../base/u64.ts";
import { LEAF_SIZE } from "./leaf.ts";
import { FAN_OUT, type Node } from "./nodes.ts";
import { CELLS } from "./run-list.ts";
import type { TceView } from "./tce-view.ts";

/**
 * Receives one change: entries `[first, first + count)` held values that begin
 * with `before` and now hold values that begin with `after`. With a step of 1
 * the values grow by one page size an entry, with 0 they are all the same.
 *
 * @public
 */
export type ChangeVisitor = (
  first: number,
  count: number,
  beforeHi: number,
  beforeLo: number,
  beforeStep: number,
  afterHi: number,
  afterLo: number,
  afterStep: number,
) => void;

/**
 * Calls `visit` for every entry that differs between two tables of one shape,
 * in order and in runs. Subtrees that both share are skipped: comparing a table
 * with a snapshot of it costs what was written in between.
 *
 * @throws IommuError BAD_SHAPE if lengths or page sizes differ
 * @public
 */
export function diff(before: TceView, after: TceView, visit: ChangeVisitor): void {
  if (before.length !== after.length || before.pageShift !== after.pageShift) {
    throw new IommuError(
      "BAD_SHAPE",
      `tables of ${before.length} and ${after.length} entries, page shifts ${before.pageShift} and ${after.pageShift}, cannot be compared`,
      { before: before.length, after: after.length },
    );
  }
  withRoots(before, after, (a, b) => diffNodes(a, b, before.page, visit));
}

/**
 * The same for two tables that need not have one shape: what one of them does not have is zero there. Costs what both hold.
 *
 * @param later entries that `before` begins later than `after`, whose numbers `visit` gets
 * @throws IommuError BAD_SHAPE if page sizes differ
 */
export function diffAt(before: TceView, after: TceView, later: number, visit: ChangeVisitor): void {
  if (later === 0 && (before.length === after.length || before.pageShift !== after.pageShift)) {
    diff(before, after, visit);
    return;
  }
  const { page } = before;
  withRoots(before, after, (a, b) => {
    // A cell is a first entry and what its run holds.
    const cells = runsOf(a, page).map((value, i) => (i % CELLS === 0 ? value + later : value));
    sweep(cells, runsOf(b, page), page, visit);
  });
}

/** Nobody writes into the nodes of two tables meanwhile. */
function withRoots(before: TceView, after: TceView, use: (a: Node | null, b: Node | null) => void): void {
  const { root: a } = before;
  const { root: b } = after;
  const owners = [before.owner, before.hold(), after.owner, after.hold()] as const;
  try {
    use(a, b);
  } finally {
    after.letGo(b, owners[2], owners[3]);
    before.letGo(a, owners[0], owners[1]);
  }
}

function diffNodes(a: Node | null, b: Node | null, page: PageStep, visit: ChangeVisitor): void {
  if (a === b) return;
  if (a?.kind === "inner" && b?.kind === "inner") {
    for (let child = 0; child < FAN_OUT; child++) {
      diffNodes(a.children[child]!, b.children[child]!, page, visit);
    }
    return;
  }
  sweep(runsOf(a, page), runsOf(b, page), page, visit);
}

/** All runs of a subtree as cells; its size is what the subtree holds. */
function runsOf(node: Node | null, page: PageStep): readonly number[] {
  if (node === null) return [];
  if (node.kind === "runs") return node.cells;
  const cells: number[] = [];
  collect(node, page, cells);
  return cells;
}

function collect(node: Node, page: PageStep, cells: number[]): void {
  if (node.kind === "runs") {
    for (const cell of node.cells) cells.push(cell);
  } else if (node.kind === "leaf") {
    node.forEachRun(node.first, node.first + LEAF_SIZE, page, (first, count, hi, lo, step) => {
      cells.push(first, count, hi, lo, step);
    });
  } else {
    for (const below of node.children) if (below !== null) collect(below, page, cells);
  }
}

/** Walks a list of runs by position, giving the value at it and how long the value pattern goes on. */
class Cursor {
  readonly #cells: readonly number[];
  readonly #page: PageStep;
  #at = 0;
  hi = 0;
  lo = 0;
  step = 0;

  constructor(cells: readonly number[], page: PageStep) {
    this.#cells = cells;
    this.#page = page;
  }

  /** First position at or after `index` where something is stored; Infinity at the end. */
  nextStored(index: number): number {
    this.#skipTo(index);
    return this.#at < this.#cells.length ? Math.max(index, this.#cells[this.#at]!) : Infinity;
  }

  /** Loads the value at `index` and returns where its run (or gap) ends. */
  load(index: number): number {
    this.#skipTo(index);
    const cells = this.#cells;
    const at = this.#at;
    if (at >= cells.length || cells[at]! > index) {
      this.hi = this.lo = this.step = 0;
      return at < cells.length ? cells[at]! : Infinity;
    }
    const ahead = cells[at + 4]! * (index - cells[at]!);
    this.hi = this.#page.addHi(cells[at + 2]!, cells[at + 3]!, ahead);
    this.lo = this.#page.addLo(cells[at + 3]!, ahead);
    this.step = cells[at + 4]!;
    return cells[at]! + cells[at + 1]!;
  }

  #skipTo(index: number): void {
    const cells = this.#cells;
    while (this.#at < cells.length && cells[this.#at]! + cells[this.#at + 1]! <= index) this.#at += CELLS;
  }
}

function sweep(a: readonly number[], b: readonly number[], page: PageStep, visit: ChangeVisitor): void {
  const before = new Cursor(a, page);
  const after = new Cursor(b, page);
  let index = Math.min(0, a[0] ?? 0);
  for (;;) {
    index = Math.min(before.nextStored(index), after.nextStored(index));
    if (index === Infinity) return;
    const end = Math.min(before.load(index), after.load(index));
    const equalHere = before.hi === after.hi && before.lo === after.lo;
    // Two patterns of different steps meet in one entry at the most; if that is here, step over it alone.
    if (equalHere && (before.step === after.step || end === index + 1)) {
      index = end;
      continue;
    }
    if (equalHere) {
      index++;
      continue;
    }
    const meet = before.step === after.step ? Infinity : meetingPoint(before, after, index, end, page);
    const to = Math.min(end, meet);
    visit(index, to - index, before.hi, before.lo, before.step, after.hi, after.lo, after.step);
    index = to;
  }
}

/** The entry in `(index, end)` where a constant and a growing pattern hold the same value, or Infinity. */
function meetingPoint(before: Cursor, after: Cursor, index: number, end: number, page: PageStep): number {
  const [flat, rising] = before.step === 0 ? [before, after] : [after, before];
  const value = toBig(flat.hi, flat.lo);
  const start = toBig(rising.hi, rising.lo);
  const size = 1n << BigInt(page.shift);
  if (value <= start || (value - start) % size !== 0n) return Infinity;
  const pages = (value - start) / size;
  return pages < BigInt(end - index) ? index + Number(pages) : Infinity;
}
