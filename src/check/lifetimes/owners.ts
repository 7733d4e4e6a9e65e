import { TceTable } from "../../tce/tce-table.ts";

/** What owns entries of a window: one mapping. */
export interface Owned {
  /** Index of its first entry in the window. */
  readonly first: number;
  readonly pages: number;
  /** Pages that are still its own. */
  left: number;
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
    const slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[slot] = owner;
    this.#table.fill(owner.first, owner.pages, 0, slot + 1);
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
