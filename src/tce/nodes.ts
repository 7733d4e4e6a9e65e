/**
 * The nodes of a TCE tree.
 *
 * A node covers `512 * 64^level` entries and is one of
 * - nothing (`null`): every entry is zero;
 * - {@link Runs}: a short list of runs, at any level. A window mapped linearly
 *   is one run at the root; a million scattered entries are lists of a few
 *   runs each;
 * - {@link Inner}: 64 children, for more runs than a list may hold;
 * - {@link Leaf}: 512 entries as they are, where runs do not pay (level 0 only).
 *
 * `stored` counts entries that are not zero, `valid` those with a permission
 * bit; a node with `stored === 0` does not exist.
 *
 * @module
 */

import type { PageStep } from "../base/page-step.ts";
import { TCE_PERM_MASK } from "./tce.ts";

/** Entries of a leaf: 512 TCEs of 8 bytes are one 4 KiB page, and what H_PUT_TCE_INDIRECT takes. */
export const LEAF_SIZE: number = 512;
/** Children of an inner node. */
export const FAN_OUT = 64;
/**
 * Runs that a list may hold, by the level of the node. A run takes 40 bytes and
 * a dense leaf 4 KiB: in a leaf's 512 entries eight runs are company enough to
 * expect more, and puts into a dense leaf are ten times faster. Above, 32 keep
 * scattered entries together, and are few enough to search and copy.
 */
export const maxRuns = (level: number): number => (level === 0 ? 8 : 32);
/** Numbers that describe one run in {@link Runs.cells}. */
export const CELLS = 5;

/** Who may change a node in place; replaced when a snapshot is taken. */
export type Owner = object;

/**
 * Sorted runs of entries that are not zero.
 *
 * `cells` holds `first, count, hi, lo, step` for each: `count` entries from
 * index `first`, beginning with the value `(hi, lo)`; with `step` 1 each
 * further value is one page size more (never past 2^64), with 0 all are equal.
 * A run of one entry has step 0. Lists are replaced when they change, but for
 * an entry of its own that gets another valid value, which the owner may store.
 */
export class Runs {
  readonly kind = "runs";
  readonly owner: Owner;
  /** No dense leaf below. */
  readonly leaves = 0;
  readonly valid: number;
  readonly stored: number;
  readonly cells: number[];

  constructor(owner: Owner, cells: number[]) {
    let valid = 0;
    let stored = 0;
    for (let i = 0; i < cells.length; i += CELLS) {
      const count = cells[i + 1]!;
      stored += count;
      if ((cells[i + 3]! & TCE_PERM_MASK) !== 0) valid += count;
    }
    this.owner = owner;
    this.valid = valid;
    this.stored = stored;
    this.cells = cells;
  }
}

/** 512 entries, low half first. */
export class Leaf {
  readonly kind = "leaf";
  readonly leaves = 1;
  readonly owner: Owner;
  /** The node above, see {@link Inner.parent}. */
  parent: Inner | null = null;
  valid: number;
  stored: number;
  readonly words: Uint32Array<ArrayBuffer>;

  constructor(owner: Owner, valid: number, stored: number, words: Uint32Array<ArrayBuffer>) {
    this.owner = owner;
    this.valid = valid;
    this.stored = stored;
    this.words = words;
  }
}

/** 64 subtrees, and the sums of their counts. */
export class Inner {
  readonly kind = "inner";
  readonly owner: Owner;
  /**
   * The node above in the tree of the owner, null for the root: the way on
   * which a changed count goes up. Of a node that was shared it means nothing
   * any more: nobody writes that in place.
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
      if (child.kind !== "runs" && child.owner === owner) child.parent = this;
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
    if (node !== null && node.kind !== "runs") node.parent = this;
    this.leaves += (node === null ? 0 : node.leaves) - leaves;
    this.valid += (node === null ? 0 : node.valid) - valid;
    this.stored += (node === null ? 0 : node.stored) - stored;
  }
}

export type Node = Runs | Leaf | Inner;

/** Entries below a node of a level: 512, 2^15, 2^21, ... up to 2^57. */
export const SPANS: readonly number[] = Array.from({ length: 9 }, (_, level) => LEAF_SIZE * FAN_OUT ** level);

/** Levels of a table of 2^31 entries, which 32-bit shifts reach. */
const SMALL_LEVELS = 4;

/** Which child of an inner node of a level holds an entry. */
export const childOf = (index: number, level: number): number =>
  index <= 0x7fff_ffff && level <= SMALL_LEVELS
    ? // 512 entries are 9 bits, and 64 children 6 more a level.
      (index >>> (level * 6 + 3)) & (FAN_OUT - 1)
    : Math.floor(index / SPANS[level - 1]!) % FAN_OUT;

/**
 * Where in a run list an index belongs: the position in `cells` of the first
 * run that ends behind `index` (`cells.length` if there is none).
 */
export function searchRuns(cells: readonly number[], index: number): number {
  let low = 0;
  let high = cells.length / CELLS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * CELLS;
    if (cells[at]! + cells[at + 1]! <= index) low = middle + 1;
    else high = middle;
  }
  return low * CELLS;
}

/** Appends a run to a list that ends before it, joining it with the last one where the values go on. */
export function pushRun(
  cells: number[],
  page: PageStep,
  first: number,
  count: number,
  hi: number,
  lo: number,
  step: number,
): void {
  const at = cells.length - CELLS;
  if (at >= 0 && cells[at]! + cells[at + 1]! === first) {
    const was = cells[at + 1]!;
    const wasStep = cells[at + 4]!;
    const hi0 = cells[at + 2]!;
    const lo0 = cells[at + 3]!;
    if ((was === 1 || wasStep === 0) && (count === 1 || step === 0) && hi0 === hi && lo0 === lo) {
      cells[at + 1] = was + count;
      cells[at + 4] = 0;
      return;
    }
    // A step below 4 bytes would change the permission bits: such values are not a linear run.
    if (
      page.shift >= 2 &&
      (was === 1 || wasStep === 1) &&
      (count === 1 || step === 1) &&
      page.follows(hi0, lo0, was, hi, lo)
    ) {
      cells[at + 1] = was + count;
      cells[at + 4] = 1;
      return;
    }
  }
  cells.push(first, count, hi, lo, count === 1 ? 0 : step);
}

/** The list after one more run was written over it; the value zero erases. */
export function overwriteRuns(
  cells: readonly number[],
  page: PageStep,
  first: number,
  count: number,
  hi: number,
  lo: number,
  step: number,
): number[] {
  const end = first + count;
  const out: number[] = [];
  const from = searchRuns(cells, first);
  for (let i = 0; i < from; i++) out.push(cells[i]!);
  let at = from;
  if (at < cells.length && cells[at]! < first) {
    out.push(
      cells[at]!,
      first - cells[at]!,
      cells[at + 2]!,
      cells[at + 3]!,
      first - cells[at]! === 1 ? 0 : cells[at + 4]!,
    );
  }
  if (hi !== 0 || lo !== 0) pushRun(out, page, first, count, hi, lo, step);
  for (; at < cells.length; at += CELLS) {
    const runFirst = cells[at]!;
    const runCount = cells[at + 1]!;
    if (runFirst + runCount <= end) continue;
    const skip = runFirst < end ? end - runFirst : 0;
    const runStep = cells[at + 4]!;
    const ahead = runStep * skip;
    const runHi = page.addHi(cells[at + 2]!, cells[at + 3]!, ahead);
    const runLo = page.addLo(cells[at + 3]!, ahead);
    pushRun(out, page, runFirst + skip, runCount - skip, runHi, runLo, runStep);
  }
  return out;
}

/** Where one entry of a run list lies: the position of its run in `cells`, or -1 for an entry that is zero. */
export function findInRuns(cells: readonly number[], index: number): number {
  const at = searchRuns(cells, index);
  return at < cells.length && cells[at]! <= index ? at : -1;
}

/**
 * Puts a valid value over an entry that is a run of its own and valid, too:
 * neither counts nor the list change.
 *
 * @returns false if that is not what the entry is
 */
export function replaceInRuns(cells: number[], index: number, hi: number, lo: number): boolean {
  const at = findInRuns(cells, index);
  if (at < 0 || cells[at + 1] !== 1 || (cells[at + 3]! & lo & TCE_PERM_MASK) === 0) return false;
  cells[at + 2] = hi;
  cells[at + 3] = lo;
  return true;
}

/** Calls `visit` for each raw run of a dense leaf between two entry numbers of the table. */
export function leafRuns(
  words: Uint32Array,
  base: number,
  first: number,
  end: number,
  page: PageStep,
  visit: RawRunVisitor,
): void {
  const { sizeLo, sizeHi, shift } = page;
  const stop = Math.min(end - base, LEAF_SIZE) * 2;
  let at = Math.max(first - base, 0) * 2;
  while (at < stop) {
    const lo = words[at]!;
    const hi = words[at + 1]!;
    const start = at;
    at += 2;
    if ((lo | hi) === 0) continue;
    let step = 0;
    if (at < stop && words[at] === lo && words[at + 1] === hi) {
      do at += 2;
      while (at < stop && words[at] === lo && words[at + 1] === hi);
    } else if (shift >= 2) {
      // The next value of a linear run; a carry out of the high half ends it, as no stored half equals 2^32.
      let nextLo = lo;
      let nextHi = hi;
      for (; at < stop; at += 2) {
        nextLo += sizeLo;
        nextHi += sizeHi;
        if (nextLo > 0xffff_ffff) {
          nextLo -= 0x1_0000_0000;
          nextHi++;
        }
        if (words[at] !== nextLo || words[at + 1] !== nextHi) break;
        step = 1;
      }
    }
    visit(base + start / 2, (at - start) / 2, hi, lo, step);
  }
}

/** Receives raw runs: entries `[first, first + count)`, the first value, and whether it grows by a page (1) or not (0). */
export type RawRunVisitor = (first: number, count: number, hi: number, lo: number, step: number) => void;
