/**
 * The nodes of a TCE tree.
 *
 * A node covers `512 * 64^level` entries and is one of
 * - nothing (`null`): every entry is zero;
 * - {@link Runs}: a short list of runs, at any level. A window mapped linearly
 *   is one run at the root; a million scattered entries are lists of some
 *   dozen runs each;
 * - {@link Inner}: 64 children, for more runs than a list may hold;
 * - {@link Leaf}: 512 entries as they are, where runs do not pay (level 0 only).
 *
 * `stored` counts entries that are not zero, `valid` those with a permission
 * bit; a node with `stored === 0` does not exist.
 *
 * @module
 */

import { LEAF_SIZE, type Leaf, NOBODY, type Owner } from "./leaf.ts";
import type { Run } from "./run.ts";
import { CELLS, overwrite, pushRun, replaceCells } from "./run-list.ts";
import { TCE_PERM_MASK } from "./tce.ts";

/** Children of an inner node. */
export const FAN_OUT = 64;

export type Node = Runs | Leaf | Inner;

/** Sorted runs of entries that are not zero, as a list of cells; see run-list.ts. Only the owner changes them. */
export class Runs {
  readonly kind = "runs";
  readonly owner: Owner = NOBODY;
  /** The node above; the invariant is that of {@link Inner.parent}. */
  parent: Inner | null = null;
  /** No dense leaf below. */
  readonly leaves = 0;
  valid = 0;
  stored = 0;
  cells: number[];

  constructor(owner: Owner, cells: number[]) {
    this.owner = owner;
    this.cells = cells;
    this.#count(cells, 0, cells.length, 1);
  }

  /** Appends an entry that is not zero, and touches none that there is; the nodes above count it, too. */
  append(first: number, hi: number, lo: number): void {
    this.cells.push(first, 1, hi, lo, 0);
    const valid = (lo & TCE_PERM_MASK) !== 0 ? 1 : 0;
    this.valid += valid;
    this.stored++;
    for (let node = this.parent; node !== null; node = node.parent) {
      node.valid += valid;
      node.stored++;
    }
  }

  /**
   * Writes a run over the list; returns the position of the first cell that may have changed.
   *
   * @param was scratch, so is `part`
   */
  write(run: Run, was: Run, part: Run): number {
    const { cells } = this;
    const end = cells.length;
    // Runs that come in order, as in a replay, are appended: this one touches none that there is.
    if (cells[end - CELLS]! + cells[end - CELLS + 1]! < run.first && (run.hi | run.lo) !== 0) {
      pushRun(cells, run);
      this.#count(cells, end, cells.length, 1);
      return end;
    }
    const replacement = overwrite(this.cells, run, was, part);
    this.#count(this.cells, replacement.from, replacement.to, -1);
    this.#count(replacement.cells, 0, replacement.cells.length, 1);
    this.cells = replaceCells(this.cells, replacement);
    return replacement.from;
  }

  #count(cells: readonly number[], from: number, to: number, sign: number): void {
    for (let at = from; at < to; at += CELLS) {
      const count = cells[at + 1]! * sign;
      this.stored += count;
      if ((cells[at + 3]! & TCE_PERM_MASK) !== 0) this.valid += count;
    }
  }
}

/** 64 subtrees, and the sums of their counts. */
export class Inner {
  readonly kind = "inner";
  readonly owner: Owner = NOBODY;
  /**
   * The node above in the tree of the owner, null for the root: the way on
   * which a changed count goes up.
   *
   * Invariant: of a node that the table's owner owns, the node above has the
   * same owner, and is this one. Of a node that was shared it means nothing any
   * more: nobody writes that in place.
   */
  parent: Inner | null = null;
  /** Dense leaves below. */
  leaves = 0;
  valid = 0;
  stored = 0;
  readonly children: (Node | null)[];

  constructor(owner: Owner, children: (Node | null)[]) {
    this.owner = owner;
    this.children = children;
    for (const child of children) {
      if (child === null) continue;
      if (child.owner === owner) child.parent = this;
      this.leaves += child.leaves;
      this.valid += child.valid;
      this.stored += child.stored;
    }
  }

  /**
   * Replaces a subtree. Only the difference is added, as adding up 64 children
   * on each level would cost more than all else of a put.
   *
   * @param leaves what the subtree counted before, which may have been changed in place; so the next two
   */
  replace(child: number, node: Node | null, leaves: number, valid: number, stored: number): void {
    this.children[child] = node;
    if (node !== null && node.owner === this.owner) node.parent = this;
    this.leaves += (node === null ? 0 : node.leaves) - leaves;
    this.valid += (node === null ? 0 : node.valid) - valid;
    this.stored += (node === null ? 0 : node.stored) - stored;
  }
}

/** Entries below a node of a level: 512, 2^15, 2^21, ... up to 2^57. */
export const SPANS: readonly number[] = Array.from({ length: 9 }, (_, level) => LEAF_SIZE * FAN_OUT ** level);

/** Level of the root of a table of so many entries. */
export function heightOf(length: number): number {
  let height = 0;
  while (SPANS[height]! < length) height++;
  return height;
}

/** Levels of a table of 2^31 entries, which 32-bit shifts reach. */
const SMALL_LEVELS = 4;

/** Which child of an inner node of a level holds an entry. */
export const childOf = (index: number, level: number): number =>
  index <= 0x7fff_ffff && level <= SMALL_LEVELS
    ? // 512 entries are 9 bits, and 64 children 6 more a level.
      (index >>> (level * 6 + 3)) & (FAN_OUT - 1)
    : Math.floor(index / SPANS[level - 1]!) % FAN_OUT;
