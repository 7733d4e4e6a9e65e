import type { PageStep } from "../base/page-step.ts";
import { smallInteger } from "../base/u64.ts";
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

/** What a leaf needs of the nodes above it, up to the root: their sums. */
export interface Summing {
  /** The node above; null for the root. */
  readonly parent: Summing | null;
  /** Dense leaves below. */
  leaves: number;
  valid: number;
  stored: number;
  /** What is below, null for nothing. Who puts a leaf here, or takes away what is empty, counts it in the sums itself. */
  readonly children: (object | null)[];
}

/** Bits of a tally that count stored entries; those above count valid ones, each of which is stored, too. */
const STORED_BITS = 10;

/** What an entry adds to a tally. Written so that V8 finds it short enough to inline it wherever it is called. */
const tallyOf = (hi: number, lo: number): number => ((lo & 3) !== 0 ? 0x401 : (hi | lo) !== 0 ? 1 : 0);

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
  /** {@link stored} and {@link valid} in one number, so that a store counts both at once. */
  protected tally = 0;
  /** What of {@link tally} the nodes above have in their sums. */
  #summed = 0;
  /** Low half first. */
  readonly words: Uint32Array<ArrayBuffer>;

  constructor(owner: Owner, first: number, words: Uint32Array<ArrayBuffer>) {
    this.owner = owner;
    this.first = smallInteger(first);
    this.words = words;
  }

  /** The same entries for another owner. */
  copy(owner: Owner): Leaf {
    const leaf = new Leaf(owner, this.first, this.words.slice());
    leaf.tally = this.tally;
    leaf.summed();
    return leaf;
  }

  get valid(): number {
    return this.tally >>> STORED_BITS;
  }

  get stored(): number {
    return this.tally & ((1 << STORED_BITS) - 1);
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
    this.tally += tallyOf(hi, lo) - tallyOf(words[at + 1]!, words[at]!);
    words[at] = lo;
    words[at + 1] = hi;
    return this.tally === 0;
  }

  /** {@link put} for `count` entries of a list, high half first, from number `from` of the list on. */
  putList(at: number, list: Uint32Array, from: number, count: number): void {
    const { words } = this;
    let tally = 0;
    let to = at;
    const end = (from + count) * 2;
    for (let i = from * 2; i < end; i += 2, to += 2) {
      const hi = list[i]!;
      const lo = list[i + 1]!;
      const wasLo = words[to]!;
      // Valid over valid changes no count. (A valid entry is never zero.)
      if ((lo & wasLo & PERM_MASK) === 0) tally += tallyOf(hi, lo) - tallyOf(words[to + 1]!, wasLo);
      words[to] = lo;
      words[to + 1] = hi;
    }
    this.tally += tally;
  }

  /** Stores a run. */
  write(run: Run): void {
    for (let index = run.first; index < run.end; index++) {
      this.put(index, run.hiAt(index), run.loAt(index));
    }
  }

  /** The nodes above have the counts in their sums. */
  summed(): void {
    this.#summed = this.tally;
  }

  /** Adds to the sums of the nodes above what they have not heard of yet. */
  addUp(): void {
    const { tally } = this;
    const summed = this.#summed;
    if (tally === summed) return;
    const valid = (tally >>> STORED_BITS) - (summed >>> STORED_BITS);
    const stored = tally - summed - (valid << STORED_BITS);
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
