import type { PageStep } from "../base/page-step.ts";
import { LEAF_SIZE, type Leaf } from "./leaf.ts";
import { Run } from "./run.ts";

/** Leaves that a table finds without a walk through the tree. */
const LEAVES = 8;
// V8 folds a constant of the module itself, but loads an imported one each time.
const IN_LEAF = LEAF_SIZE - 1;
const SIZE = LEAF_SIZE;
/** Of a slot that holds no leaf: no leaf begins with this entry. */
const NOTHING = -1;

/**
 * Where the leaf of an entry is cached: some bits of the leaf's number. Upper
 * bits take part, because the pools of Linux's allocator begin a multiple of
 * 2^14 entries apart.
 */
const slotOf = (index: number): number => ((index >>> 9) ^ (index >>> 14)) & (LEAVES - 1);

/**
 * What a table found last: dense leaves, as a busy guest works in a handful of
 * them, and the run of several entries (or the gap between runs), so that a
 * device that works in a long mapping is answered without a walk, too.
 *
 * Invariants, which only this class keeps:
 * - *tree*: what is cached is what the tree holds. A leaf is the node of the
 *   tree itself, a run is a copy; so {@link forget} comes before each change of
 *   the tree, but for stores into a leaf;
 * - *once*: no entry lies in both, so that a store into a leaf leaves the run right;
 * - *sums*: a leaf whose counts the nodes above have not added up lies in a
 *   slot. {@link addUp} comes before anybody reads sums, or shares the tree.
 */
export class LookupCache {
  // Slot n holds entries [firsts[n], firsts[n] + 512). Of one type, however large the table.
  readonly #firsts: Float64Array = new Float64Array(LEAVES).fill(NOTHING);
  readonly #leaves: (Leaf | null)[] = Array.from({ length: LEAVES }, () => null);
  /** Slots that hold a leaf. A table of runs has none, and nothing to look through. */
  #held = 0;
  /** The run; a gap has the value 0. */
  readonly run: Run;

  constructor(page: PageStep) {
    this.run = new Run(page);
  }

  /** The cached leaf of an entry. */
  leafOf(index: number): Leaf | null {
    const slot = slotOf(index);
    return this.#firsts[slot] === index - (index & IN_LEAF) ? this.#leaves[slot]! : null;
  }

  /** Keeps the leaf of an entry. */
  keepLeaf(index: number, leaf: Leaf): void {
    const first = index - (index % SIZE);
    const slot = slotOf(index);
    const was = this.#leaves[slot] ?? null;
    if (was === null) this.#held++;
    else was.addUp();
    this.#forgetRun(first, first + SIZE);
    this.#firsts[slot] = first;
    this.#leaves[slot] = leaf;
  }

  /** Keeps a run, or a gap. */
  keepRun(first: number, end: number, hi: number, lo: number, step: number): void {
    this.#forgetLeaves(first, end);
    this.run.set(first, end, hi, lo, step);
  }

  /** To be called before entries `[first, end)` are changed in the tree. */
  forget(first: number, end: number): void {
    this.#forgetLeaves(first, end);
    this.#forgetRun(first, end);
  }

  /** Makes the sums of the tree right. */
  addUp(): void {
    if (this.#held === 0) return;
    for (let slot = 0; slot < LEAVES; slot++) this.#leaves[slot]?.addUp();
  }

  #forgetRun(first: number, end: number): void {
    if (first < this.run.end && end > this.run.first) this.run.end = 0;
  }

  #forgetLeaves(first: number, end: number): void {
    if (this.#held === 0) return;
    for (let slot = 0; slot < LEAVES; slot++) {
      const at = this.#firsts[slot]!;
      if (at >= end || at + SIZE <= first || at === NOTHING) continue;
      this.#leaves[slot]!.addUp();
      this.#firsts[slot] = NOTHING;
      this.#leaves[slot] = null;
      this.#held--;
    }
  }
}
