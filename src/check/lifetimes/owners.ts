import { TceTable } from "../../tce/tce-table.ts";

/** What owns entries of a window: one mapping. */
export interface Owned {
  /** Index of its first entry in the window. */
  readonly first: number;
  readonly pages: number;
  /** Pages that are still its own. */
  left: number;
}

/** Consecutive entries of a window. */
export interface Piece {
  readonly first: number;
  readonly pages: number;
}

/**
 * Whose each entry of a window is. Memory follows what is owned: a sparse table has the slot of the owner of each entry.
 */
export class Owners<Owner extends Owned> {
  /** By entry: 1 and the slot of its owner in {@link #slots}; 0 if nobody is known to own it. */
  readonly #table: TceTable;
  readonly #slots: (Owner | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(entries: number) {
    this.#table = new TceTable({ length: entries, pageShift: 0 });
  }

  /** Gives all its entries, which nobody owns, to an owner. */
  add(owner: Owner): void {
    this.#table.fill(owner.first, owner.pages, 0, this.#slotOf(owner));
  }

  /** Gives what is left to an owner: pieces that nobody owns. */
  addPieces(owner: Owner, pieces: readonly Piece[]): void {
    const slot = this.#slotOf(owner);
    for (const { first, pages } of pieces) this.#table.fill(first, pages, 0, slot);
  }

  /** Takes a slot; returns its number and 1. */
  #slotOf(owner: Owner): number {
    const slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[slot] = owner;
    return slot + 1;
  }

  /** Visits what is owned piece by piece, in order. */
  forEach(visit: (owner: Owner, first: number, pages: number) => void): void {
    this.#table.forEachStoredRun(0, this.#table.length, (first, pages, _hi, lo) => {
      visit(this.#slots[lo - 1]!, first, pages);
    });
  }

  /** Takes entries away from their owners; `visit` is called for each piece, in order, which is counted no longer. */
  take(first: number, pages: number, visit: (owner: Owner, first: number, pages: number) => void): void {
    const pieces: number[] = [];
    this.#table.forEachStoredRun(first, first + pages, (from, count, _hi, lo) => {
      const last = pieces.length - 3;
      if (last >= 0 && pieces[last] === lo && pieces[last + 1]! + pieces[last + 2]! === from) {
        pieces[last + 2]! += count;
      } else pieces.push(lo, from, count);
    });
    if (pieces.length > 0) this.#table.fill(first, pages, 0, 0);
    for (let i = 0; i < pieces.length; i += 3) {
      const slot = pieces[i]! - 1;
      const owner = this.#slots[slot]!;
      owner.left -= pieces[i + 2]!;
      visit(owner, pieces[i + 1]!, pieces[i + 2]!);
      if (owner.left > 0) continue;
      this.#slots[slot] = undefined;
      this.#free.push(slot);
    }
  }
}
