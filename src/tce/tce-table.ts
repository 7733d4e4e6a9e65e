import { IommuError } from "../base/errors.ts";
import { hiOf, loOf } from "../base/u64.ts";
import {
  CELLS,
  childOf,
  FAN_OUT,
  Inner,
  LEAF_SIZE,
  Leaf,
  maxRuns,
  type Node,
  type Owner,
  overwriteRuns,
  pushRun,
  type RawRunVisitor,
  Runs,
  replaceInRuns,
  SPANS,
} from "./nodes.ts";
import { TCE_PERM_MASK } from "./tce.ts";
import { slotOf, type TceTableShape, TceView } from "./tce-view.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const IN_LEAF = LEAF_SIZE - 1;
const PERM_MASK = TCE_PERM_MASK;

/** What an empty subtree counts. */
const NO_COUNTS = { leaves: 0, valid: 0, stored: 0 };

/**
 * Dense leaves one table may hold: 2^20 leaves are 4 GiB. Runs need no leaves,
 * so only a window with half a billion unrelated entries gets here.
 */
export const MAX_LEAVES: number = 2 ** 20;

/** Leaves that a table keeps for those to come: 32 KiB. */
const MAX_SPARES = 8;

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
 */
export class TceTable extends TceView {
  #owner: Owner = {};
  /**
   * The words of dense leaves that became empty, all zero. A driver's pages
   * move on through its window, so that the next leaf is dense from its first
   * entry on, and takes these: there are never more leaves than there were.
   */
  readonly #spares: Uint32Array<ArrayBuffer>[] = [];

  constructor(shape: TceTableShape) {
    super(shape);
  }

  /** Stores one entry. Nearly all puts of a busy guest hit a dense leaf that is cached. */
  put(index: number, hi: number, lo: number): void {
    const slot = slotOf(index);
    const inLeaf = index & IN_LEAF;
    if (this.cachedFirst[slot] === index - inLeaf) {
      const leaf = this.cachedLeaf[slot]!;
      if (leaf.owner === this.#owner) {
        const { words } = leaf;
        const at = inLeaf * 2;
        const wasLo = words[at]!;
        const wasHi = words[at + 1]!;
        words[at] = lo;
        words[at + 1] = hi;
        // Valid over valid changes no count. (A valid entry is never zero.)
        if ((lo & wasLo & PERM_MASK) === 0) this.#recount(leaf, index, wasHi, wasLo, hi, lo);
        return;
      }
    }
    this.#putSlow(index, hi, lo);
  }

  /** {@link put} for callers off the hot path. */
  set(index: number, value: bigint): void {
    this.put(index, hiOf(value), loOf(value));
  }

  /** Counts an entry of a leaf that was stored. A table that owns a leaf owns the nodes above it. */
  #recount(leaf: Leaf, index: number, wasHi: number, wasLo: number, hi: number, lo: number): void {
    const valid = Number((lo & TCE_PERM_MASK) !== 0) - Number((wasLo & TCE_PERM_MASK) !== 0);
    const stored = Number((hi | lo) !== 0) - Number((wasHi | wasLo) !== 0);
    if ((valid | stored) === 0) return;
    leaf.valid += valid;
    leaf.stored += stored;
    for (let node = leaf.parent; node !== null; node = node.parent) {
      node.valid += valid;
      node.stored += stored;
    }
    if (leaf.stored > 0) return;
    this.#write(index, 1, 0, 0, 0);
    if (this.#spares.length < MAX_SPARES) this.#spares.push(leaf.words);
  }

  #putSlow(index: number, hi: number, lo: number): void {
    const node = this.loadFromTree(index);
    if (node?.owner === this.#owner) {
      if (node.kind === "leaf") {
        this.put(index, hi, lo);
        return;
      }
      if (replaceInRuns(node.cells, index, hi >>> 0, lo >>> 0)) return;
    }
    if (this.hi !== hi >>> 0 || this.lo !== lo >>> 0) this.#write(index, 1, hi >>> 0, lo >>> 0, 0);
  }

  /** Stores one value in `count` entries from `first`. */
  fill(first: number, count: number, hi: number, lo: number): void {
    this.#write(first, count, hi >>> 0, lo >>> 0, 0);
  }

  /**
   * Stores consecutive pages: `count` entries from `first`, the first of them
   * `(hi, lo)`, each further one a page size more, without passing 2^64.
   */
  putRun(first: number, count: number, hi: number, lo: number): void {
    if (count === 1) this.put(first, hi, lo);
    else this.#write(first, count, hi >>> 0, lo >>> 0, 1);
  }

  /**
   * Stores a list of entries from `first`: `words` holds the high and the low
   * half of each. Linear and constant stretches are stored as runs.
   *
   * @param visit is called for each run that was stored
   */
  putList(first: number, words: Uint32Array, count: number, visit?: RawRunVisitor): void {
    const { shift } = this.page;
    // Signed halves, so that the loop over a linear stretch is one of 32-bit additions.
    const sizeHi = this.page.sizeHi | 0;
    const sizeLo = this.page.sizeLo | 0;
    for (let at = 0; at < count; ) {
      const hi = words[at * 2]!;
      const lo = words[at * 2 + 1]!;
      let next = at + 1;
      let step = 0;
      if (next < count && words[next * 2] === hi && words[next * 2 + 1] === lo) {
        do next++;
        while (next < count && words[next * 2] === hi && words[next * 2 + 1] === lo);
      } else if (shift >= 2 && (hi | lo) !== 0) {
        let nextHi = hi | 0;
        let nextLo = lo | 0;
        for (; next < count; next++) {
          const lastHi = nextHi;
          nextLo = (nextLo + sizeLo) | 0;
          nextHi = (nextHi + sizeHi + (nextLo >>> 0 < sizeLo >>> 0 ? 1 : 0)) | 0;
          if ((words[next * 2 + 1]! | 0) !== nextLo || (words[next * 2]! | 0) !== nextHi) break;
          // Behind 2^64 a run does not go on.
          if (nextHi >>> 0 < lastHi >>> 0) break;
          step = 1;
        }
      }
      const length = next - at;
      if (length === 1) this.put(first + at, hi, lo);
      else this.#write(first + at, length, hi, lo, step);
      visit?.(first + at, length, hi, lo, step);
      at = next;
    }
  }

  /** Makes every entry zero. */
  clear(): void {
    this.root = null;
    this.forgetRange(0, this.length);
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
    // What a table still owns it would go on to write in place.
    const view = from instanceof TceTable ? from.snapshot() : from;
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

  /** The table as it is now, for ever; O(1). */
  snapshot(): TceView {
    this.#owner = {};
    return new TceView({ length: this.length, pageShift: this.pageShift }, this.root);
  }

  /** A table of its own with the content of a snapshot; O(1), they share what neither changes. */
  static from(snapshot: TceView): TceTable {
    const table = new TceTable({ length: snapshot.length, pageShift: snapshot.pageShift });
    table.root = snapshot.root;
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

  #write(first: number, count: number, hi: number, lo: number, step: number): void {
    if (count === 0) return;
    // One entry changes no leaf but its own.
    if (count === 1) this.forgetEntry(first);
    else this.forgetRange(first, first + count);
    this.root = this.#writeNode(this.root, this.height, 0, first, count, hi, lo, step);
  }

  /** The subtree `node` after a run, which lies inside of it, was written. */
  #writeNode(
    node: Node | null,
    level: number,
    base: number,
    first: number,
    count: number,
    hi: number,
    lo: number,
    step: number,
  ): Node | null {
    const zero = (hi | lo) === 0;
    if (node === null || count === SPANS[level]!) {
      if (zero) return null;
      const cells = [first, count, hi, lo, count === 1 ? 0 : step];
      if (count === 1 && level === 0 && this.#spares.length > 0) return this.#denseLeaf(cells, base);
      return new Runs(this.#owner, cells);
    }
    if (node.kind === "runs") {
      return this.#nodeOf(overwriteRuns(node.cells, this.page, first, count, hi, lo, step), level, base);
    }
    if (node.kind === "leaf") return this.#writeLeaf(node, base, first, count, hi, lo, step);

    const inner = node.owner === this.#owner ? node : new Inner(this.#owner, node.children.slice());
    const span = SPANS[level - 1]!;
    const end = first + count;
    for (let at = first; at < end; ) {
      const child = childOf(at, level);
      const childBase = base + child * span;
      const to = Math.min(end, childBase + span);
      const ahead = step * (at - first);
      const was = inner.children[child]!;
      const { leaves, valid, stored } = was ?? NO_COUNTS;
      const is = this.#writeNode(
        was,
        level - 1,
        childBase,
        at,
        to - at,
        this.page.addHi(hi, lo, ahead),
        this.page.addLo(lo, ahead),
        step,
      );
      inner.replace(child, is, leaves, valid, stored);
      at = to;
    }
    return inner.stored === 0 ? null : inner;
  }

  #writeLeaf(
    node: Leaf,
    base: number,
    first: number,
    count: number,
    hi: number,
    lo: number,
    step: number,
  ): Leaf | null {
    const leaf =
      node.owner === this.#owner ? node : new Leaf(this.#owner, node.valid, node.stored, node.words.slice());
    const { words } = leaf;
    for (let i = 0; i < count; i++) {
      const at = (first - base + i) * 2;
      const wasLo = words[at]!;
      const wasHi = words[at + 1]!;
      const isLo = this.page.addLo(lo, step * i);
      const isHi = this.page.addHi(hi, lo, step * i);
      leaf.valid += Number((isLo & TCE_PERM_MASK) !== 0) - Number((wasLo & TCE_PERM_MASK) !== 0);
      leaf.stored += Number((isHi | isLo) !== 0) - Number((wasHi | wasLo) !== 0);
      words[at] = isLo;
      words[at + 1] = isHi;
    }
    return leaf.stored === 0 ? null : leaf;
  }

  /** The node for a list of runs: the list itself, or what it is broken into when it is too long. */
  #nodeOf(cells: number[], level: number, base: number): Node | null {
    if (cells.length === 0) return null;
    const most = level <= 1 && this.#spares.length > 0 ? 1 : maxRuns(level);
    if (cells.length <= most * CELLS) return new Runs(this.#owner, cells);
    return level === 0 ? this.#denseLeaf(cells, base) : this.#innerOf(cells, level, base);
  }

  #denseLeaf(cells: number[], base: number): Leaf {
    if (this.root !== null && this.root.leaves >= MAX_LEAVES) {
      throw new IommuError(
        "LIMIT_EXCEEDED",
        `more than ${MAX_LEAVES} dense leaves (4 GiB) in one TCE table`,
        {
          limit: MAX_LEAVES,
        },
      );
    }
    const words = this.#spares.pop() ?? new Uint32Array(LEAF_SIZE * 2);
    const { valid, stored } = new Runs(this.#owner, cells);
    for (let i = 0; i < cells.length; i += CELLS) {
      const [first, count, hi, lo, step] = cells.slice(i, i + CELLS) as [
        number,
        number,
        number,
        number,
        number,
      ];
      for (let k = 0; k < count; k++) {
        words[(first - base + k) * 2] = this.page.addLo(lo, step * k);
        words[(first - base + k) * 2 + 1] = this.page.addHi(hi, lo, step * k);
      }
    }
    return new Leaf(this.#owner, valid, stored, words);
  }

  #innerOf(cells: number[], level: number, base: number): Inner {
    const span = SPANS[level - 1]!;
    const parts: number[][] = Array.from({ length: FAN_OUT }, () => []);
    for (let i = 0; i < cells.length; i += CELLS) {
      const [first, count, hi, lo, step] = cells.slice(i, i + CELLS) as [
        number,
        number,
        number,
        number,
        number,
      ];
      for (let at = first; at < first + count; ) {
        const child = childOf(at, level);
        const to = Math.min(first + count, base + (child + 1) * span);
        const ahead = step * (at - first);
        const partHi = this.page.addHi(hi, lo, ahead);
        const partLo = this.page.addLo(lo, ahead);
        pushRun(parts[child]!, this.page, at, to - at, partHi, partLo, step);
        at = to;
      }
    }
    const children = parts.map((part, child) => this.#nodeOf(part, level - 1, base + child * span));
    return new Inner(this.#owner, children);
  }
}
