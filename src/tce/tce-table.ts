import { IommuError } from "../base/errors.ts";
import { hiOf, loOf } from "../base/u64.ts";
import { LEAF_SIZE, newOwner, type Owner } from "./leaf.ts";
import { ListRuns } from "./list-runs.ts";
import { childOf, type Inner, type Node } from "./nodes.ts";
import { type TceTableShape, TceView } from "./tce-view.ts";
import { TreeWriter } from "./tree-writer.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const IN_LEAF = LEAF_SIZE - 1;

/**
 * The TCEs of one DMA window: a sparse, persistent, counted radix tree.
 *
 * - *sparse*: what was never written takes no memory, and what is linear or
 *   constant takes one run, however long;
 * - *counted*: each node knows how many valid entries lie below it;
 * - *persistent*: {@link snapshot} is O(1), later writes copy the nodes they touch;
 * - *exact*: all 64 bits of an entry come back as they were put.
 *
 * Entry numbers are checked by the caller ({@link TceView}).
 *
 * @public
 */
export class TceTable extends TceView {
  // V8 makes one function of a hypercall, from its dispatch down to `put`, while their bytecode is below a
  // limit. Private names make it longer: what `put` needs is protected.

  // Made when they are needed first: most windows of a machine that begins are empty.
  #writer: TreeWriter | null = null;
  #listRuns: ListRuns | null = null;
  /** Did {@link putStretch} store a run? */
  isRun = false;
  /** Whether the values of that run grow by a page (1) or are equal (0). */
  step = 0;

  /** @throws IommuError BAD_SHAPE if the length or the page shift is out of range */
  constructor(shape: TceTableShape) {
    super(shape, null);
    this.owner = newOwner();
  }

  /**
   * Stores one entry. Nearly all puts of a busy guest hit a dense leaf that is cached.
   *
   * The halves may have either sign.
   */
  put(index: number, hi: number, lo: number): void {
    const leaf = this.cache.leafOf(index);
    if (leaf.owner !== this.owner) this.putSlow(index, hi, lo);
    else if (leaf.put(index, hi, lo)) this.drop(index);
  }

  /**
   * {@link put} of a valid entry over a valid one in a cached leaf.
   *
   * @returns false where it is not that: nothing is stored
   */
  overwrite(index: number, hi: number, lo: number): boolean {
    const leaf = this.cache.leafOf(index);
    return leaf.owner === this.owner && leaf.overwrite(index, hi, lo);
  }

  /** {@link put}, and `hi` and `lo` of the table are what was there before. */
  exchange(index: number, hi: number, lo: number): void {
    this.load(index);
    this.put(index, hi, lo);
  }

  /** {@link put} for callers off the hot path. */
  set(index: number, value: bigint): void {
    this.put(index, hiOf(value), loOf(value));
  }

  /** {@link put} of an entry that is in no cached leaf that is written in place. */
  protected putSlow(index: number, hi: number, lo: number): void {
    if (this.cache.isInGap(index)) {
      if ((hi | lo) !== 0) this.#writeIntoGap(index, hi >>> 0, lo >>> 0);
      return;
    }
    const node = this.#find(index);
    if (node?.kind === "leaf" && node.owner === this.owner) {
      this.cache.keepLeaf(index, node);
      this.put(index, hi, lo);
    } else if (node?.owner === this.owner || !this.#holds(index, hi >>> 0, lo >>> 0)) {
      this.#write(index, 1, hi >>> 0, lo >>> 0, 0);
    }
  }

  /** Stores an entry that is in the cached gap. Where that made or wrote a leaf, that is cached: more of its entries are to come. */
  #writeIntoGap(index: number, hi: number, lo: number): void {
    const writer = this.#writerOfOwner();
    let leaf = writer.place(this.root, index, hi, lo);
    if (leaf === null) {
      this.#write(index, 1, hi, lo, 0);
      leaf = writer.leaf;
    }
    // The gap ends here.
    if (leaf !== null) this.cache.keepLeaf(index, leaf);
  }

  /** Takes away the cached leaf of an entry, which became empty. */
  protected drop(index: number): void {
    const leaf = this.cache.leafOf(index);
    this.cache.forget(index, index + 1);
    this.root = this.#writerOfOwner().takeAway(this.root, leaf);
  }

  /** Is a value there already? Then it copies no shared node, and makes none. */
  #holds(index: number, hi: number, lo: number): boolean {
    this.load(index);
    return this.hi === hi && this.lo === lo;
  }

  /** The node that holds an entry. */
  #find(index: number): Exclude<Node, Inner> | null {
    let node = this.root;
    for (let level = this.height; node?.kind === "inner"; level--)
      node = node.children[childOf(index, level)]!;
    return node;
  }

  /** Stores one value in `count` entries from `first`. */
  fill(first: number, count: number, hi: number, lo: number): void {
    if (count === 1) this.put(first, hi, lo);
    else if ((hi | lo) !== 0 || !this.cache.isGap(first, first + count))
      this.#write(first, count, hi >>> 0, lo >>> 0, 0);
  }

  /**
   * Stores consecutive pages: `count` entries from `first`, the first of them
   * `(hi, lo)`, each further one a page size more, without passing 2^64.
   */
  putRun(first: number, count: number, hi: number, lo: number): void {
    if (count === 1) {
      this.put(first, hi, lo);
    } else if ((hi | lo) === 0) {
      // A run that is stored has no zeros.
      this.put(first, 0, 0);
      this.putRun(first + 1, count - 1, this.page.sizeHi, this.page.sizeLo);
    } else {
      this.#write(first, count, hi >>> 0, lo >>> 0, 1);
    }
  }

  /** Stores a list of entries from `first`: `words` holds the high and the low half of each. */
  putList(first: number, words: Uint32Array, count: number): void {
    for (let at = 0; at < count; ) at += this.putStretch(first + at, words, at, count);
  }

  /**
   * Stores the beginning of the entries `[from, to)` of a list: the run that
   * they begin with (linear or constant, of several entries), or what stands
   * before the next run. {@link isRun} and {@link step} tell which.
   *
   * @param first where entry `from` of the list goes
   * @param words the high and the low half of each entry of the list
   * @returns how many entries were stored
   */
  putStretch(first: number, words: Uint32Array, from: number, to: number): number {
    this.#listRuns ??= new ListRuns(this.page);
    const runs = this.#listRuns;
    const run = runs.find(words, from, to);
    this.isRun = run === from;
    if (run > from) {
      this.#putSingles(first, words, from, run);
      return run - from;
    }
    const { count } = runs;
    this.step = runs.step;
    this.#write(first, count, words[from * 2]!, words[from * 2 + 1]!, this.step);
    return count;
  }

  /** Stores entries `[from, to)` of a list from entry `first` on; no two neighbours are zero, or a run. */
  #putSingles(first: number, words: Uint32Array, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const index = first + at - from;
      this.put(index, words[at * 2]!, words[at * 2 + 1]!);
      at++;
      // Behind it lies the rest of the leaf, if there is one.
      const leaf = this.cache.leafOf(index);
      if (leaf.owner !== this.owner) continue;
      const next = (index & IN_LEAF) + 1;
      const length = Math.min(to - at, LEAF_SIZE - next);
      // It does not become empty: of two neighbours one is not zero.
      leaf.putList(next * 2, words, at, length);
      at += length;
    }
  }

  /** Makes every entry zero. */
  clear(): void {
    this.cache.forget(0, Infinity);
    this.root = null;
  }

  /**
   * Takes over the entries of another table; those behind its end become zero.
   * O(1) for a table of the same shape, which both share until one is changed;
   * else what it costs follows the entries that are not zero.
   *
   * @throws IommuError BAD_SHAPE if the other table is longer
   */
  restore(from: TceView): void {
    if (from.length > this.length) {
      throw new IommuError("BAD_SHAPE", `${from.length} entries do not fit into a table of ${this.length}`, {
        from: from.length,
        length: this.length,
      });
    }
    const view = from.snapshot();
    this.clear();
    if (view.length === this.length && view.pageShift === this.pageShift) {
      this.root = view.root;
      return;
    }
    view.forEachStoredRun(0, view.length, (first, count, hi, lo, step) => {
      if (step === 0 || view.pageShift === this.pageShift) {
        this.#write(first, count, hi, lo, step);
        return;
      }
      for (let i = 0; i < count; i++) this.put(first + i, view.page.addHi(hi, lo, i), view.page.addLo(lo, i));
    });
  }

  override snapshot(): TceView {
    this.hold();
    return new TceView({ length: this.length, pageShift: this.pageShift }, this.root);
  }

  /** A table of its own with the content of another; O(1), they share what neither changes. */
  static from(other: TceView): TceTable {
    const table = new TceTable({ length: other.length, pageShift: other.pageShift });
    table.root = other.snapshot().root;
    return table;
  }

  /** The first `length` entries of a table, in one of its own; costs what is stored in them. */
  static cut(table: TceView, length: number): TceTable {
    const cut = new TceTable({ length, pageShift: table.pageShift });
    table.forEachStoredRun(0, length, (first, count, hi, lo, step) => {
      cut.#write(first, count, hi, lo, step);
    });
    return cut;
  }

  /** @internal */
  override hold(): Owner {
    this.cache.addUp();
    this.owner = newOwner();
    return this.owner;
  }

  #write(first: number, count: number, hi: number, lo: number, step: number): void {
    this.cache.forget(first, first + count);
    const writer = this.#writerOfOwner();
    writer.run(first, first + count, hi, lo, step);
    this.root = writer.write(this.root);
  }

  #writerOfOwner(): TreeWriter {
    this.#writer ??= new TreeWriter(this.page, this.height);
    this.#writer.owner = this.owner;
    return this.#writer;
  }
}
