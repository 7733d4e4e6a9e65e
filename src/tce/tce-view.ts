import { IommuError } from "../base/errors.ts";
import { type PageStep, pageStep } from "../base/page-step.ts";
import { toBig } from "../base/u64.ts";
import { LEAF_SIZE, NOBODY, type Owner } from "./leaf.ts";
import { LookupCache, NO_LEAF } from "./lookup-cache.ts";
import { childOf, heightOf, type Node, SPANS } from "./nodes.ts";
import type { RawRunVisitor } from "./run.ts";
import { RunJoiner, type RunVisitor } from "./run-joiner.ts";
import { CELLS, searchRuns } from "./run-list.ts";
import { TreeWalk, ValidCount } from "./tree-walk.ts";

/** The most entries a table may have. QEMU and KVM stop at 2^32; the tree has no reason to. */
export const MAX_LENGTH: number = 2 ** 52;

// V8 folds a constant of the module itself, but loads an imported one each time.
const IN_LEAF = LEAF_SIZE - 1;
const NOTHING = NO_LEAF;

/** The runs of a node that is not there. */
const NO_RUNS: readonly number[] = [];

/**
 * How many entries a table has and what a page of it is.
 *
 * @public
 */
export interface TceTableShape {
  /** Number of entries, 1 to 2^52. */
  readonly length: number;
  /** log2 of the I/O page size, 0 to 63. */
  readonly pageShift: number;
}

/**
 * The readable side of a table of TCEs: a {@link TceTable}, or a snapshot of one.
 *
 * The caller checks that entry numbers are below `length`; entries beyond it
 * read as zero.
 *
 * @public
 */
export class TceView {
  readonly length: number = 0;
  readonly page: PageStep;
  /** High half of the entry that {@link load} read last. */
  hi = 0;
  /** Low half of the entry that {@link load} read last. */
  lo = 0;
  /** @internal Level of the root: it covers `512 * 64^height` entries. */
  protected readonly height: number = 0;
  /** @internal The tree, for the code in this folder. */
  root: Node | null;
  /** @internal Whose nodes are written in place: no other view and no other table has them. */
  owner: Owner = NOBODY;
  /** @internal */
  protected readonly cache: LookupCache;

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
    this.cache = new LookupCache(this.page);
    this.height = heightOf(length);
    this.root = root;
  }

  /** log2 of the I/O page size. */
  get pageShift(): number {
    return this.page.shift;
  }

  /** Number of entries with a permission bit. */
  get validCount(): number {
    this.cache.addUp();
    return this.root === null ? 0 : this.root.valid;
  }

  /** @internal {@link validCount} or somewhat more: what nobody needs to add up for. */
  get validAtMost(): number {
    return this.root === null ? 0 : this.root.valid + this.cache.unsummed;
  }

  /** Number of entries that are not zero. */
  get storedCount(): number {
    this.cache.addUp();
    return this.root === null ? 0 : this.root.stored;
  }

  /** The table as it is now, for ever; O(1). */
  snapshot(): TceView {
    return this;
  }

  /** @internal The tree stays as it is until {@link letGo}, whatever is written meanwhile; returns the owner. */
  hold(): Owner {
    return this.owner;
  }

  /**
   * @internal The nodes below `root` may be written in place again, if nobody else has got them: who was the owner
   * before {@link hold}, and who while it was held, tell. What was held last goes first.
   */
  letGo(root: Node | null, before: Owner, meanwhile: Owner): void {
    // A write meanwhile has copied the root.
    if (this.root === root && this.owner === meanwhile) this.owner = before;
  }

  /** Reads an entry into {@link hi} and {@link lo}. */
  load(index: number): void {
    const { cache } = this;
    const leaf = cache.leafOf(index);
    if (leaf !== NOTHING) {
      const { words } = leaf;
      const at = (index & IN_LEAF) * 2;
      this.lo = words[at]!;
      this.hi = words[at + 1]!;
    } else if (cache.run.has(index)) {
      this.lo = cache.run.loAt(index);
      this.hi = cache.run.hiAt(index);
    } else {
      this.#loadFromTree(index);
    }
  }

  /** An entry as one value, for callers off the hot path. */
  get(index: number): bigint {
    this.load(index);
    return toBig(this.hi, this.lo);
  }

  #loadFromTree(index: number): void {
    let node = this.root;
    let level = this.height;
    while (node !== null && node.kind === "inner") {
      node = node.children[childOf(index, level)]!;
      level--;
    }
    if (node?.kind === "leaf") {
      this.cache.keepLeaf(index, node);
      this.load(index);
    } else {
      this.#loadFromRuns(node === null ? NO_RUNS : node.cells, index, level);
    }
  }

  #loadFromRuns(cells: readonly number[], index: number, level: number): void {
    const at = searchRuns(cells, index);
    if (at < cells.length && cells[at]! <= index) {
      const first = cells[at]!;
      const hi = cells[at + 2]!;
      const lo = cells[at + 3]!;
      const step = cells[at + 4]!;
      const ahead = step * (index - first);
      this.hi = this.page.addHi(hi, lo, ahead);
      this.lo = this.page.addLo(lo, ahead);
      // One entry alone is not worth the run that is cached.
      if (cells[at + 1]! > 1) this.cache.keepRun(first, first + cells[at + 1]!, hi, lo, step);
      return;
    }
    this.hi = 0;
    this.lo = 0;
    // The gap reaches from the run before to the one behind, or to the bounds of the node.
    const base = index - (index % SPANS[level]!);
    const first = at === 0 ? base : cells[at - CELLS]! + cells[at - CELLS + 1]!;
    const end = at === cells.length ? base + SPANS[level]! : cells[at]!;
    this.cache.keepRun(first, end, 0, 0, 0);
  }

  /**
   * Calls `visit` for each run of entries that are not zero in `[first, end)`,
   * in order, with the values as stored. Runs are split where the tree is; see
   * {@link forEachRun} for maximal ones. The walk sees the table as it was when
   * it began, whatever is written meanwhile.
   */
  forEachStoredRun(first: number, end: number, visit: RawRunVisitor): void {
    const { root } = this;
    if (root === null || this.cache.isGap(first, end)) return;
    const before = this.owner;
    const meanwhile = this.hold();
    try {
      new TreeWalk(first, end, this.page, visit).walk(root, this.height, 0);
    } finally {
      this.letGo(root, before, meanwhile);
    }
  }

  /**
   * Calls `visit` for each maximal run of valid entries in `[first, end)`, in
   * order: consecutive pages to consecutive targets with one permission. Costs
   * what is mapped in the range, not how long it is. The walk sees the table as
   * it was when it began.
   */
  forEachRun(first: number, end: number, visit: RunVisitor): void {
    const joiner = new RunJoiner(this.page, visit);
    this.forEachStoredRun(first, end, (from, count, hi, lo, step) =>
      joiner.addRaw(from, count, hi, lo, step),
    );
    joiner.finish();
  }

  /** Number of valid entries in `[first, end)`; subtrees inside of the range answer from their counts. */
  count(first: number, end: number): number {
    if (this.cache.isGap(first, end)) return 0;
    this.cache.addUp();
    return this.root === null ? 0 : new ValidCount(first, end, this.page).count(this.root, this.height, 0);
  }
}
