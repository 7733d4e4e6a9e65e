import type { PageStep } from "../base/page-step.ts";
import type { RawRunVisitor, Run } from "./run.ts";
import { TCE_PERM_MASK } from "./tce.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const PERM_MASK = TCE_PERM_MASK;

/** Entries of a leaf: 512 TCEs of 8 bytes are one 4 KiB page, and what H_PUT_TCE_INDIRECT takes. */
export const LEAF_SIZE: number = 512;
const IN_LEAF = LEAF_SIZE - 1;

/**
 * Who may change a node in place: only the table that has the same owner;
 * replaced when a snapshot is taken. A number, as V8 compares two of those faster than two objects.
 */
export type Owner = number;

/** The owner of what nobody changes. */
export const NOBODY: Owner = 0;

let owners = NOBODY;

/** An owner that there never was. */
export const newOwner = (): Owner => ++owners;

/** What a leaf needs of the nodes above it: their sums, up to the root. */
export interface Summing {
  /** The node above; null for the root. */
  readonly parent: Summing | null;
  valid: number;
  stored: number;
}

/** 1 for an entry with a permission bit, else 0. */
const isValid = (lo: number): number => (lo | (lo >>> 1)) & 1;

/** 512 entries as they are. Only the owner writes them. */
export class Leaf {
  readonly kind = "leaf";
  readonly leaves = 1;
  // Numbers are numbers from the start: V8 knows no integer field that was undefined once.
  readonly owner: Owner = NOBODY;
  /** Number of its first entry in the table. */
  readonly first: number = 0;
  /** The node above; the invariant is that of inner nodes (nodes.ts). */
  parent: Summing | null = null;
  valid = 0;
  stored = 0;
  /** What of {@link valid} and {@link stored} the nodes above have in their sums. */
  #summedValid = 0;
  #summedStored = 0;
  /** Low half first. */
  readonly words: Uint32Array<ArrayBuffer>;

  constructor(owner: Owner, first: number, words: Uint32Array<ArrayBuffer>) {
    this.owner = owner;
    // What floating-point arithmetic made is no small integer for V8, unless it is told.
    this.first = first <= 0x7fff_ffff ? first | 0 : first;
    this.words = words;
  }

  /** The same entries for another owner. */
  copy(owner: Owner): Leaf {
    const leaf = new Leaf(owner, this.first, this.words.slice());
    leaf.valid = this.valid;
    leaf.stored = this.stored;
    leaf.summed();
    return leaf;
  }

  /**
   * Stores a valid entry over a valid one, as most puts of a busy guest do: no
   * count changes.
   *
   * @returns false for any other entries, and nothing is stored
   */
  overwrite(index: number, hi: number, lo: number): boolean {
    const { words } = this;
    const at = (index & IN_LEAF) * 2;
    if ((lo & words[at]! & PERM_MASK) === 0) return false;
    words[at] = lo;
    words[at + 1] = hi;
    return true;
  }

  /**
   * Stores any entry. The nodes above hear of it by {@link addUp}.
   *
   * @returns true if the leaf is empty now
   */
  put(index: number, hi: number, lo: number): boolean {
    const { words } = this;
    const at = (index & IN_LEAF) * 2;
    const wasLo = words[at]!;
    this.valid += isValid(lo) - isValid(wasLo);
    this.stored += ((hi | lo) !== 0 ? 1 : 0) - ((words[at + 1]! | wasLo) !== 0 ? 1 : 0);
    words[at] = lo;
    words[at + 1] = hi;
    return this.stored === 0;
  }

  /** {@link put} for `count` entries of a list, high half first, from number `from` of the list on. */
  putList(at: number, list: Uint32Array, from: number, count: number): void {
    const { words } = this;
    let valid = 0;
    let stored = 0;
    let to = at;
    const end = (from + count) * 2;
    for (let i = from * 2; i < end; i += 2, to += 2) {
      const hi = list[i]!;
      const lo = list[i + 1]!;
      const wasLo = words[to]!;
      // Valid over valid changes no count. (A valid entry is never zero.)
      if ((lo & wasLo & PERM_MASK) === 0) {
        valid += isValid(lo) - isValid(wasLo);
        stored += ((hi | lo) !== 0 ? 1 : 0) - ((words[to + 1]! | wasLo) !== 0 ? 1 : 0);
      }
      words[to] = lo;
      words[to + 1] = hi;
    }
    this.valid += valid;
    this.stored += stored;
  }

  /** Stores a run. */
  write(run: Run): void {
    for (let index = run.first; index < run.end; index++) {
      this.put(index, run.hiAt(index), run.loAt(index));
    }
  }

  /** The nodes above have the counts in their sums. */
  summed(): void {
    this.#summedValid = this.valid;
    this.#summedStored = this.stored;
  }

  /** Adds to the sums of the nodes above what they have not heard of yet. */
  addUp(): void {
    const valid = this.valid - this.#summedValid;
    const stored = this.stored - this.#summedStored;
    if ((valid | stored) === 0) return;
    for (let node = this.parent; node !== null; node = node.parent) {
      node.valid += valid;
      node.stored += stored;
    }
    this.summed();
  }

  /** Calls `visit` for each raw run between two entry numbers of the table. */
  forEachRun(first: number, end: number, page: PageStep, visit: RawRunVisitor): void {
    const { words, first: base } = this;
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
}
