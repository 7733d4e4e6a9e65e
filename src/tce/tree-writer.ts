import { IommuError } from "../base/errors.ts";
import type { PageStep } from "../base/page-step.ts";
import { LEAF_SIZE, Leaf, NOBODY, type Owner } from "./leaf.ts";
import { childOf, FAN_OUT, Inner, type Node, Runs, SPANS } from "./nodes.ts";
import { Run } from "./run.ts";
import { CELLS, loadRun, pushRun } from "./run-list.ts";

/**
 * Dense leaves one table may hold: 2^20 leaves are 4 GiB. Runs need no leaves,
 * so only a window with half a billion unrelated entries gets here.
 */
export const MAX_LEAVES: number = 2 ** 20;

/** Leaves that a table keeps for those to come: 32 KiB. */
const MAX_SPARES = 8;

/**
 * Runs for which a node is divided. A run takes 40 bytes and a dense leaf
 * 4 KiB: in a leaf's 512 entries eight runs are company enough to expect more,
 * and puts into a dense leaf are ten times faster.
 */
const CROWD = 8;
/** Runs that a list above leaves may hold wherever they lie. */
const FEW_RUNS = 32;
/**
 * Runs that such a list may hold while they are single entries that lie apart,
 * without a {@link CROWD} in any child: a node of its own for each of them
 * would take four times the memory of the entry.
 */
const MANY_RUNS = 128;
/** Runs that one that is written can change: itself, what is left of one on each side, and the neighbours it joins. */
const MOST_CHANGED = 5;

/** The list that was written last where there is none; no entry is in it. */
const NO_LIST = new Runs(NOBODY, []);

/** What an empty subtree counts. */
const NO_COUNTS = { leaves: 0, valid: 0, stored: 0 };

/**
 * Writes runs into a tree: changes nodes of its owner in place, and copies
 * those that are shared.
 */
export class TreeWriter {
  /** Whose nodes are changed in place. */
  owner: Owner = NOBODY;
  readonly #height: number = 0;
  readonly #maxLeaves: number = 0;
  /**
   * The words of leaves that became empty. A driver's pages move on through its
   * window, so that the next leaf is dense from its first entry on, and takes
   * these: there are never more leaves than there were.
   *
   * Invariant: all words are zero, and no leaf of any tree has them.
   */
  readonly #spares: Uint32Array<ArrayBuffer>[] = [];
  /** The dense leaf that the last write wrote or made last, and did not take away again; null if there is none. */
  leaf: Leaf | null = null;
  #root: Node | null = null;
  /**
   * The list that was written last, its level, first entry and the end of its
   * entries: pages that come in order, as in a replay, are appended to it
   * without a walk from the root.
   *
   * Invariant: while the tree has the root {@link #listRoot}, the list is a node
   * of it. Each write that does not append to it sets it anew.
   */
  #list: Runs = NO_LIST;
  #listLevel = 0;
  #listEnd = 0;
  #listRoot: Node | null = null;
  /** What is written. */
  readonly #run: Run;
  /** What of it goes into one node. */
  readonly #part: Run;
  /** A run of a list, and what is left of one. */
  readonly #listed: Run;
  readonly #rest: Run;

  constructor(page: PageStep, height: number, maxLeaves: number = MAX_LEAVES) {
    this.#height = height;
    this.#maxLeaves = maxLeaves;
    this.#run = new Run(page);
    this.#part = new Run(page);
    this.#listed = new Run(page);
    this.#rest = new Run(page);
  }

  /** The run to be written next. */
  run(first: number, end: number, hi: number, lo: number, step: number): Run {
    return this.#run.set(first, end, hi, lo, step);
  }

  /**
   * The tree after {@link run} was written; the value zero erases.
   *
   * @throws IommuError LIMIT_EXCEEDED if that needs too many leaves; the
   *   beginning of the run is written then
   */
  write(root: Node | null): Node | null {
    const { first, end } = this.#run;
    this.leaf = null;
    if (root !== null && root === this.#listRoot && this.#append()) return root;
    this.#root = root;
    this.#list = NO_LIST;
    this.#listRoot = null;
    const written = first < end ? this.#writeNode(root, this.#height, 0, first, end) : root;
    this.#root = null;
    if (this.#list !== NO_LIST) this.#listRoot = written;
    return written;
  }

  /**
   * Puts an entry that is not zero into a dense leaf of its own, where spare words wait for one, nothing is in its place and
   * all above is the owner's: the next leaf of pages that move on.
   *
   * @returns null where that is not so: nothing is put
   */
  place(root: Node | null, index: number, hi: number, lo: number): Leaf | null {
    const level1 = this.#innerAbove(root, index);
    if (level1 === null || root!.leaves >= this.#maxLeaves) return null;
    const words = this.#spares.pop();
    if (words === undefined) return null;
    const leaf = new Leaf(this.owner, index - (index % LEAF_SIZE), words);
    leaf.put(index, hi, lo);
    leaf.summed();
    leaf.parent = level1;
    level1.children[childOf(index, 1)] = leaf;
    const { valid } = leaf;
    for (let node: Inner | null = level1; node !== null; node = node.parent) {
      node.leaves++;
      node.valid += valid;
      node.stored++;
    }
    return leaf;
  }

  /** The node above the leaf of an entry, if there is no such leaf, and all nodes down to there are the owner's; else null. */
  #innerAbove(root: Node | null, index: number): Inner | null {
    let node = root;
    for (let level = this.#height; node?.kind === "inner" && node.owner === this.owner; level--) {
      const child: Node | null = node.children[childOf(index, level)]!;
      if (level === 1) return child === null ? node : null;
      node = child;
    }
    return null;
  }

  /**
   * The tree without a leaf of the owner's in it that became empty and whose counts are added up, and without the nodes
   * above that have no entry left. A driver's pages move on through its window, and leave such leaves behind.
   */
  takeAway(root: Node | null, leaf: Leaf): Node | null {
    this.leaf = null;
    this.#list = NO_LIST;
    this.#listRoot = null;
    this.#spare(leaf);
    let isEmpty = true;
    let level = 1;
    for (let node = leaf.parent; node !== null; node = node.parent) {
      if (isEmpty) node.children[childOf(leaf.first, level++)] = null;
      node.leaves--;
      isEmpty &&= node.stored === 0;
    }
    return isEmpty ? null : root;
  }

  /** Appends the run to the list that was written last, if it is a single entry behind its last one, and it may have one more. */
  #append(): boolean {
    const list = this.#list;
    const { first, end, hi, lo } = this.#run;
    const { cells } = list;
    const last = cells.length - CELLS;
    if (end > this.#listEnd || end - first !== 1 || (hi | lo) === 0) return false;
    if (list.owner !== this.owner || cells[last]! + cells[last + 1]! >= first) return false;
    const count = cells.length / CELLS + 1;
    const level = this.#listLevel;
    if (!this.#mayHold(count, list.stored + 1, level)) return false;
    if (count > FEW_RUNS && first - cells[(count - 1 - CROWD) * CELLS]! < SPANS[level - 1]!) return false;
    list.append(first, hi, lo);
    return true;
  }

  /** The subtree `node` after the part `[first, end)` of the run, which lies inside of it, was written. */
  #writeNode(node: Node | null, level: number, base: number, first: number, end: number): Node | null {
    if (node === null || end - first === SPANS[level]!) return this.#newNode(first, end);
    if (node.kind === "runs") return this.#writeRuns(node, level, base, first, end);
    if (node.kind === "leaf") return this.#writeLeaf(node, first, end);
    return this.#writeInner(node, level, base, first, end);
  }

  #newNode(first: number, end: number): Node | null {
    const run = this.#part.setPart(this.#run, first, end);
    if ((this.#run.hi | this.#run.lo) === 0) return null;
    const count = end - first;
    return new Runs(this.owner, [first, count, run.hi, run.lo, count === 1 ? 0 : run.step]);
  }

  #writeRuns(node: Runs, level: number, base: number, first: number, end: number): Node | null {
    const list = node.owner === this.owner ? node : new Runs(this.owner, node.cells.slice());
    const part = this.#part.setPart(this.#run, first, end);
    const changed = list.write(part, this.#listed, this.#rest) / CELLS;
    if (list.stored === 0) return null;
    if (!this.#isShort(list, level, changed, changed + MOST_CHANGED))
      return this.#divide(list.cells, level, base);
    this.#list = list;
    this.#listLevel = level;
    this.#listEnd = base + SPANS[level]!;
    return list;
  }

  #writeLeaf(node: Leaf, first: number, end: number): Leaf | null {
    const leaf = node.owner === this.owner ? node : node.copy(this.owner);
    leaf.write(this.#part.setPart(this.#run, first, end));
    leaf.summed();
    if (leaf.stored > 0) {
      this.leaf = leaf;
      return leaf;
    }
    this.leaf = null;
    this.#spare(leaf);
    return null;
  }

  /** Keeps the words of a leaf that became empty. */
  #spare({ words }: Leaf): void {
    if (this.#spares.length < MAX_SPARES) this.#spares.push(words);
  }

  #writeInner(node: Inner, level: number, base: number, first: number, end: number): Inner | null {
    const inner = node.owner === this.owner ? node : new Inner(this.owner, node.children.slice());
    const span = SPANS[level - 1]!;
    for (let at = first; at < end; ) {
      const child = childOf(at, level);
      const childBase = base + child * span;
      const to = Math.min(end, childBase + span);
      const was = inner.children[child]!;
      const { leaves, valid, stored } = was ?? NO_COUNTS;
      let is: Node | null = was;
      try {
        is = this.#writeNode(was, level - 1, childBase, at, to);
      } finally {
        // Also what was written before a limit was hit.
        inner.replace(child, is, leaves, valid, stored);
      }
      at = to;
    }
    return inner.stored === 0 ? null : inner;
  }

  /** May a list of so many runs and entries be one, wherever they lie, or where they lie apart? */
  #mayHold(count: number, stored: number, level: number): boolean {
    if (level <= 1 && this.#spares.length > 0) return count <= 1;
    if (level === 0) return count <= CROWD;
    return count <= FEW_RUNS || (count <= MANY_RUNS && stored < 2 * count);
  }

  /** May a list stay one? All but its runs `[from, to)` were in a list that might. */
  #isShort({ cells, stored }: Runs, level: number, from: number, to: number): boolean {
    const count = cells.length / CELLS;
    if (!this.#mayHold(count, stored, level)) return false;
    if (count <= FEW_RUNS) return true;
    const last = Math.min(to, count - CROWD);
    for (let run = Math.max(from - CROWD, 0); run < last; run++) {
      if (cells[(run + CROWD) * CELLS]! - cells[run * CELLS]! < SPANS[level - 1]!) return false;
    }
    return true;
  }

  /** What a list that is too long becomes. */
  #divide(cells: readonly number[], level: number, base: number): Node {
    return level === 0 ? this.#denseLeaf(cells, base) : this.#innerOf(cells, level, base);
  }

  #denseLeaf(cells: readonly number[], base: number): Leaf {
    const leaf = this.#newLeaf(base);
    for (let at = 0; at < cells.length; at += CELLS) leaf.write(loadRun(cells, at, this.#listed));
    leaf.summed();
    return leaf;
  }

  /** A leaf without entries, which the caller puts in. */
  #newLeaf(base: number): Leaf {
    if (this.#root !== null && this.#root.leaves >= this.#maxLeaves) {
      const limit = this.#maxLeaves;
      throw new IommuError("LIMIT_EXCEEDED", `more than ${limit} dense leaves of 4 KiB in one TCE table`, {
        limit,
      });
    }
    const leaf = new Leaf(this.owner, base, this.#spares.pop() ?? new Uint32Array(LEAF_SIZE * 2));
    this.leaf = leaf;
    return leaf;
  }

  #innerOf(cells: readonly number[], level: number, base: number): Inner {
    const span = SPANS[level - 1]!;
    const parts = new Array<number[] | null>(FAN_OUT).fill(null);
    for (let i = 0; i < cells.length; i += CELLS) {
      const run = loadRun(cells, i, this.#listed);
      for (let at = run.first; at < run.end; ) {
        const child = childOf(at, level);
        const to = Math.min(run.end, base + (child + 1) * span);
        parts[child] ??= [];
        pushRun(parts[child], this.#part.setPart(run, at, to));
        at = to;
      }
    }
    const children = parts.map((part, child): Node | null => {
      if (part === null) return null;
      // A copy, as one that grew has room for more than it holds.
      const list = new Runs(this.owner, part.slice());
      return this.#isShort(list, level - 1, 0, part.length / CELLS)
        ? list
        : this.#divide(part, level - 1, base + child * span);
    });
    return new Inner(this.owner, children);
  }
}
