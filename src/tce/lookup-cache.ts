import type { PageStep } from "../base/page-step.ts";
import { LEAF_SIZE, Leaf, NOBODY } from "./leaf.ts";
import { Run } from "./run.ts";

/**
 * Leaves that a table finds without a walk through the tree: Linux's allocator leaves 16 entries for each small map, so
 * that two rings of 256 packets lie in 17 leaves or more.
 */
const LEAVES = 32;
const SLOT_MASK = LEAVES - 1;
// V8 folds a constant of the module itself, but loads an imported one each time.
const IN_LEAF = LEAF_SIZE - 1;
const SIZE = LEAF_SIZE;
/** What a slot holds that holds no leaf: no entry is in it, and nobody may write it. */
export const NO_LEAF: Leaf = new Leaf(NOBODY, -1, new Uint32Array(0));
// V8 folds a constant of the module itself, but loads an exported one each time.
const NOTHING = NO_LEAF;
/** The slots of a table that never had a leaf; never changed. */
const EMPTY: Leaf[] = Array.from({ length: LEAVES }, () => NO_LEAF);

/**
 * Where the leaf of an entry is cached: some bits of the leaf's number. Upper
 * bits take part, because the pools of Linux's allocator begin a multiple of
 * 2^14 entries apart.
 */
const slotOf = (index: number): number => ((index >>> 9) ^ (index >>> 14)) & SLOT_MASK;

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
  // Not a private name: those make bytecode longer (see TceTable).
  protected leaves: Leaf[] = EMPTY;
  /** Slots that hold a leaf. A table of runs has none, and nothing to look through. */
  #held = 0;
  /** The run; a gap has the value 0. */
  readonly run: Run;

  constructor(page: PageStep) {
    this.run = new Run(page);
  }

  /** The cached leaf of an entry; {@link NO_LEAF} if there is none. */
  leafOf(index: number): Leaf {
    const leaf = this.leaves[slotOf(index)]!;
    return leaf.first === index - (index & IN_LEAF) ? leaf : NOTHING;
  }

  /** Keeps the leaf of an entry. */
  keepLeaf(index: number, leaf: Leaf): void {
    const first = index - (index % SIZE);
    const slot = slotOf(index);
    if (this.leaves === EMPTY) this.leaves = EMPTY.slice();
    const was = this.leaves[slot]!;
    if (was === NOTHING) this.#held++;
    was.addUp();
    this.#forgetRun(first, first + SIZE);
    this.leaves[slot] = leaf;
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

  /** Entries that the sums of the tree lack at most. */
  get unsummed(): number {
    return this.#held * SIZE;
  }

  /** Makes the sums of the tree right. */
  addUp(): void {
    if (this.#held === 0) return;
    for (let slot = 0; slot < LEAVES; slot++) this.leaves[slot]!.addUp();
  }

  /** Is an entry in the cached gap? It is zero then, and in no leaf. */
  isInGap(index: number): boolean {
    const { run } = this;
    return run.has(index) && (run.hi | run.lo) === 0;
  }

  /** {@link isInGap} of all entries in `[first, end)`. */
  isGap(first: number, end: number): boolean {
    const { run } = this;
    return first >= run.first && end <= run.end && (run.hi | run.lo) === 0;
  }

  /** Of a gap, what lies behind the entries stays: pages that come in order pass through it. */
  #forgetRun(first: number, end: number): void {
    const { run } = this;
    if (first >= run.end || end <= run.first) return;
    if ((run.hi | run.lo) === 0 && end < run.end) run.first = end;
    else run.end = 0;
  }

  #forgetLeaves(first: number, end: number): void {
    if (this.#held === 0) return;
    if (end - first <= SIZE) {
      // It lies in two leaves at most.
      this.#forgetSlot(slotOf(first), first, end);
      this.#forgetSlot(slotOf(end - 1), first, end);
    } else {
      for (let slot = 0; slot < LEAVES; slot++) this.#forgetSlot(slot, first, end);
    }
  }

  #forgetSlot(slot: number, first: number, end: number): void {
    const leaf = this.leaves[slot]!;
    if (leaf === NOTHING || leaf.first >= end || leaf.first + SIZE <= first) return;
    leaf.addUp();
    this.leaves[slot] = NOTHING;
    this.#held--;
  }
}
