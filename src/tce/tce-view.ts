import { IommuError } from "../base/errors.ts";
import { type PageStep, pageStep } from "../base/page-step.ts";
import type { Permission } from "../base/permission.ts";
import { toBig } from "../base/u64.ts";
import { CachedRun } from "./cached-run.ts";
import {
  CELLS,
  childOf,
  FAN_OUT,
  LEAF_SIZE,
  type Leaf,
  leafRuns,
  type Node,
  type RawRunVisitor,
  type Runs,
  SPANS,
  searchRuns,
} from "./nodes.ts";
import { permOf, TCE_PERM_MASK } from "./tce.ts";

/** The most entries a table may have. QEMU and KVM stop at 2^32; the tree has no reason to. */
export const MAX_LENGTH: number = 2 ** 52;

/** Leaves that a table finds without a walk through the tree. */
const CACHED_LEAVES = 8;
// V8 folds a constant of the module itself, but loads an imported one each time.
const IN_LEAF = LEAF_SIZE - 1;

/**
 * Where the leaf of an entry is cached: some bits of the leaf's number. Upper
 * bits take part, because the pools of Linux's allocator begin a multiple of
 * 2^14 entries apart.
 */
export const slotOf = (index: number): number => ((index >>> 9) ^ (index >>> 14)) & (CACHED_LEAVES - 1);

/** The runs of a node that is not there. */
const NO_RUNS: readonly number[] = [];
/** Of a slot that holds no leaf: no entry has this number. */
const EMPTY_SLOT = -1;

/** How many entries a table has and what a page of it is. */
export interface TceTableShape {
  /** Number of entries, 1 to {@link MAX_LENGTH}. */
  readonly length: number;
  /** log2 of the I/O page size, 0 to 63. */
  readonly pageShift: number;
}

/**
 * Receives a run of valid entries: consecutive pages that map consecutive
 * targets with one permission.
 *
 * @param first number of the first entry
 * @param pages number of entries
 * @param targetHi page address of the first target, high half
 * @param targetLo page address of the first target, low half
 */
export type RunVisitor = (
  first: number,
  pages: number,
  targetHi: number,
  targetLo: number,
  perm: Permission,
) => void;

/**
 * The readable side of a table of TCEs: a {@link TceTable}, or a snapshot of one.
 *
 * The caller checks that entry numbers are below `length`; entries beyond it
 * read as zero.
 */
export class TceView {
  readonly length: number;
  readonly page: PageStep;
  /** High half of the entry that {@link load} read last. */
  hi = 0;
  /** Low half of the entry that {@link load} read last. */
  lo = 0;
  /** Level of the root: it covers `512 * 64^height` entries. */
  protected readonly height: number;
  /** @internal The tree, for the code in this folder. */
  root: Node | null;

  // The dense leaves found last, by a few bits of their number: a busy guest works in a handful of them.
  // Slot n holds entries [cachedFirst[n], cachedFirst[n] + 512); EMPTY_SLOT: none. Of one type, however large the table.
  protected readonly cachedFirst: Float64Array = new Float64Array(CACHED_LEAVES).fill(EMPTY_SLOT);
  protected readonly cachedLeaf: (Leaf | null)[] = Array.from({ length: CACHED_LEAVES }, () => null);
  protected readonly cachedRun: CachedRun;
  /** What {@link touch} read last; stored so that no compiler drops the reads. */
  protected touched = 0;

  /** @throws IommuError BAD_SHAPE if the length or the page shift is out of range */
  constructor(shape: TceTableShape, root: Node | null = null) {
    const { length, pageShift } = shape;
    if (!Number.isInteger(length) || length < 1 || length > MAX_LENGTH) {
      throw new IommuError("BAD_SHAPE", `a table of ${length} entries: must be 1 to 2^52`, { length });
    }
    if (!Number.isInteger(pageShift) || pageShift < 0 || pageShift > 63) {
      throw new IommuError("BAD_SHAPE", `page shift ${pageShift} is not 0 to 63`, { pageShift });
    }
    this.length = length;
    this.page = pageStep(pageShift);
    this.cachedRun = new CachedRun(this.page);
    let height = 0;
    while (SPANS[height]! < length) height++;
    this.height = height;
    this.root = root;
  }

  /** log2 of the I/O page size. */
  get pageShift(): number {
    return this.page.shift;
  }

  /** Number of entries with a permission bit. */
  get validCount(): number {
    return this.root === null ? 0 : this.root.valid;
  }

  /** Number of entries that are not zero. */
  get storedCount(): number {
    return this.root === null ? 0 : this.root.stored;
  }

  /** Reads an entry into {@link hi} and {@link lo}. */
  load(index: number): void {
    const slot = slotOf(index);
    const inLeaf = index & IN_LEAF;
    if (this.cachedFirst[slot] === index - inLeaf) {
      const { words } = this.cachedLeaf[slot]!;
      this.lo = words[inLeaf * 2]!;
      this.hi = words[inLeaf * 2 + 1]!;
    } else if (this.cachedRun.has(index)) {
      this.lo = this.cachedRun.lo(index);
      this.hi = this.cachedRun.hi(index);
    } else {
      this.loadFromTree(index);
    }
  }

  /** An entry as one value, for callers off the hot path. */
  get(index: number): bigint {
    this.load(index);
    return toBig(this.hi, this.lo);
  }

  /** {@link load} without the caches; returns the node that holds the entry (which is cached now), or null. */
  protected loadFromTree(index: number): Leaf | Runs | null {
    let node = this.root;
    let level = this.height;
    while (node !== null && node.kind === "inner") {
      node = node.children[childOf(index, level)]!;
      level--;
    }
    if (node?.kind === "leaf") {
      const slot = slotOf(index);
      const at = index % LEAF_SIZE;
      this.cachedFirst[slot] = index - at;
      this.cachedLeaf[slot] = node;
      this.lo = node.words[at * 2]!;
      this.hi = node.words[at * 2 + 1]!;
    } else this.#loadFromRuns(node === null ? NO_RUNS : node.cells, index, level);
    return node;
  }

  #loadFromRuns(cells: readonly number[], index: number, level: number): void {
    const at = searchRuns(cells, index);
    if (at < cells.length && cells[at]! <= index) {
      const first = cells[at]!;
      const count = cells[at + 1]!;
      const hi = cells[at + 2]!;
      const lo = cells[at + 3]!;
      const step = cells[at + 4]!;
      const ahead = step * (index - first);
      this.hi = this.page.addHi(hi, lo, ahead);
      this.lo = this.page.addLo(lo, ahead);
      // A run of one entry may get another value in place.
      if (count > 1) this.cachedRun.set(first, first + count, hi, lo, step);
      return;
    }
    this.hi = 0;
    this.lo = 0;
    // The gap reaches from the run before to the one behind, or to the bounds of the node.
    const base = index - (index % SPANS[level]!);
    const first = at === 0 ? base : cells[at - CELLS]! + cells[at - CELLS + 1]!;
    const end = at === cells.length ? base + SPANS[level]! : cells[at]!;
    this.cachedRun.set(first, end, 0, 0, 0);
  }

  /** Forgets what holds an entry; to be called before it is written. */
  protected forgetEntry(index: number): void {
    this.cachedRun.forget(index, index + 1);
    const slot = slotOf(index);
    this.cachedFirst[slot] = EMPTY_SLOT;
    this.cachedLeaf[slot] = null;
  }

  /** Forgets all that may hold some of a range of entries; to be called before they are written. */
  protected forgetRange(first: number, end: number): void {
    this.cachedRun.forget(first, end);
    this.cachedFirst.fill(EMPTY_SLOT);
    this.cachedLeaf.fill(null);
  }

  /**
   * Calls `visit` for each run of entries that are not zero in `[first, end)`,
   * in order, with the values as stored. Runs are split where the tree is; see
   * {@link forEachRun} for maximal ones.
   */
  forEachStoredRun(first: number, end: number, visit: RawRunVisitor): void {
    if (this.root !== null) this.#walk(this.root, this.height, 0, first, end, visit);
  }

  #walk(node: Node, level: number, base: number, first: number, end: number, visit: RawRunVisitor): void {
    if (node.kind === "leaf") {
      leafRuns(node.words, base, first, end, this.page, visit);
      return;
    }
    if (node.kind === "runs") {
      const { cells } = node;
      for (let at = searchRuns(cells, first); at < cells.length; at += CELLS) {
        const runFirst = cells[at]!;
        if (runFirst >= end) return;
        const from = Math.max(runFirst, first);
        const to = Math.min(runFirst + cells[at + 1]!, end);
        const step = cells[at + 4]!;
        let hi = cells[at + 2]!;
        let lo = cells[at + 3]!;
        if (step === 1 && from !== runFirst) {
          hi = this.page.addHi(hi, lo, from - runFirst);
          lo = this.page.addLo(lo, from - runFirst);
        }
        visit(from, to - from, hi, lo, step);
      }
      return;
    }
    const span = SPANS[level - 1]!;
    const { children } = node;
    this.touched = touch(children);
    let child = first > base ? Math.floor((first - base) / span) : 0;
    for (; child < FAN_OUT; child++) {
      const at = base + child * span;
      if (at >= end) return;
      const below = children[child]!;
      if (below !== null) this.#walk(below, level - 1, at, first, end, visit);
    }
  }

  /**
   * Calls `visit` for each maximal run of valid entries in `[first, end)`, in
   * order: consecutive pages to consecutive targets with one permission. Costs
   * what is mapped in the range, not how long it is.
   */
  forEachRun(first: number, end: number, visit: RunVisitor): void {
    const { maskHi, maskLo } = this.page;
    const joiner = new RunJoiner(this.page, visit);
    this.forEachStoredRun(first, end, (from, count, hi, lo, step) => {
      const perm = permOf(lo);
      if (perm === 0) return;
      const targetHi = (hi & maskHi) >>> 0;
      const targetLo = (lo & maskLo) >>> 0;
      if (step === 1 || count === 1) {
        joiner.add(from, count, targetHi, targetLo, perm);
      } else {
        // Many pages to one target: consecutive pages, but not consecutive targets.
        for (let i = 0; i < count; i++) joiner.add(from + i, 1, targetHi, targetLo, perm);
      }
    });
    joiner.finish();
  }

  /** Number of valid entries in `[first, end)`; subtrees inside of the range answer from their counts. */
  count(first: number, end: number): number {
    return this.root === null ? 0 : this.#count(this.root, this.height, 0, first, end);
  }

  #count(node: Node, level: number, base: number, first: number, end: number): number {
    const span = SPANS[level]!;
    if (first <= base && base + span <= end) return node.valid;
    let valid = 0;
    if (node.kind === "inner") {
      const below = SPANS[level - 1]!;
      const from = Math.max(0, Math.floor((first - base) / below));
      const to = Math.min(FAN_OUT, Math.ceil((end - base) / below));
      for (let child = from; child < to; child++) {
        const at = node.children[child]!;
        if (at !== null) valid += this.#count(at, level - 1, base + child * below, first, end);
      }
      return valid;
    }
    this.#walk(node, level, base, first, end, (_first, count, _hi, lo) => {
      if ((lo & TCE_PERM_MASK) !== 0) valid += count;
    });
    return valid;
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

/** Joins the pieces of runs that the tree has cut, and passes on what is maximal. */
class RunJoiner {
  readonly #page: PageStep;
  readonly #visit: RunVisitor;
  #first = 0;
  #pages = 0;
  #hi = 0;
  #lo = 0;
  #perm: Permission = 0;

  constructor(page: PageStep, visit: RunVisitor) {
    this.#page = page;
    this.#visit = visit;
  }

  add(first: number, pages: number, hi: number, lo: number, perm: Permission): void {
    if (
      first === this.#first + this.#pages &&
      this.#pages > 0 &&
      perm === this.#perm &&
      this.#page.follows(this.#hi, this.#lo, this.#pages, hi, lo)
    ) {
      this.#pages += pages;
      return;
    }
    this.finish();
    this.#first = first;
    this.#pages = pages;
    this.#hi = hi;
    this.#lo = lo;
    this.#perm = perm;
  }

  /** Passes on the last run. */
  finish(): void {
    if (this.#pages > 0) this.#visit(this.#first, this.#pages, this.#hi, this.#lo, this.#perm);
  }
}
