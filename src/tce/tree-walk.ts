import type { PageStep } from "../base/page-step.ts";
import { FAN_OUT, type Node, type Runs, SPANS } from "./nodes.ts";
import type { RawRunVisitor } from "./run.ts";
import { CELLS, searchRuns } from "./run-list.ts";
import { TCE_PERM_MASK } from "./tce.ts";

/** A walk over the runs of a tree in `[first, end)`, in order. */
export class TreeWalk {
  // Neither private nor stored twice: see RunJoiner.
  declare protected readonly first: number;
  declare protected readonly end: number;
  declare protected readonly page: PageStep;
  declare protected readonly visit: RawRunVisitor;
  /** What {@link touch} read last; stored so that no compiler drops the reads. */
  declare protected touched: number;

  constructor(first: number, end: number, page: PageStep, visit: RawRunVisitor) {
    this.first = first;
    this.end = end;
    this.page = page;
    this.visit = visit;
    this.touched = 0;
  }

  /** Visits the runs of a node whose first entry is `base`. */
  walk(node: Node, level: number, base: number): void {
    if (node.kind === "leaf") {
      node.forEachRun(this.first, this.end, this.page, this.visit);
    } else if (node.kind === "runs") {
      this.walkRuns(node, base);
    } else {
      const span = SPANS[level - 1]!;
      const { children } = node;
      this.touched = touch(children);
      let child = this.first > base ? Math.floor((this.first - base) / span) : 0;
      for (; child < FAN_OUT; child++) {
        const at = base + child * span;
        if (at >= this.end) return;
        const below = children[child]!;
        if (below !== null) this.walk(below, level - 1, at);
      }
    }
  }

  protected walkRuns({ cells }: Runs, base: number): void {
    const first = this.first;
    const end = this.end;
    const page = this.page;
    const visit = this.visit;
    // A search would fetch the middle of a list that is walked from its beginning.
    for (let at = first > base ? searchRuns(cells, first) : 0; at < cells.length; at += CELLS) {
      const runFirst = cells[at]!;
      if (runFirst >= end) return;
      const from = Math.max(runFirst, first);
      const to = Math.min(runFirst + cells[at + 1]!, end);
      const step = cells[at + 4]!;
      let hi = cells[at + 2]!;
      let lo = cells[at + 3]!;
      if (step === 1 && from !== runFirst) {
        hi = page.addHi(hi, lo, from - runFirst);
        lo = page.addLo(lo, from - runFirst);
      }
      visit(from, to - from, hi, lo, step);
    }
  }
}

/**
 * Reads something of every child. No read depends on the one before, so that a
 * processor fetches all children at once; a walk that does more for each would
 * wait for each (a scattered table is replayed in 36 ms instead of 57).
 */
function touch(children: readonly (Node | null)[]): number {
  let sum = 0;
  for (let i = 0; i < FAN_OUT; i++) {
    const child = children[i]!;
    if (child !== null && child.kind === "runs") sum += child.cells[0]!;
  }
  return sum;
}

/** Counts the valid entries of a tree in `[first, end)`; what lies wholly inside answers from its sums. */
export class ValidCount {
  readonly #first: number;
  readonly #end: number;
  readonly #edges: TreeWalk;
  #valid = 0;

  constructor(first: number, end: number, page: PageStep) {
    this.#first = first;
    this.#end = end;
    this.#edges = new TreeWalk(first, end, page, (_first, count, _hi, lo) => {
      if ((lo & TCE_PERM_MASK) !== 0) this.#valid += count;
    });
  }

  /** Those of a node whose first entry is `base`, and all that were counted before. */
  count(node: Node, level: number, base: number): number {
    if (this.#first <= base && base + SPANS[level]! <= this.#end) {
      this.#valid += node.valid;
    } else if (node.kind !== "inner") {
      this.#edges.walk(node, level, base);
    } else {
      const below = SPANS[level - 1]!;
      const from = Math.max(0, Math.floor((this.#first - base) / below));
      const to = Math.min(FAN_OUT, Math.ceil((this.#end - base) / below));
      for (let child = from; child < to; child++) {
        const at = node.children[child]!;
        if (at !== null) this.count(at, level - 1, base + child * below);
      }
    }
    return this.#valid;
  }
}
