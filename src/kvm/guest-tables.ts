import type { GuestTable } from "./guest-table.ts";

/** The tables of a virtual machine, by logical bus. */
export class GuestTables {
  #all: readonly GuestTable[] = [];
  /**
   * The table found last: a guest works on one window for many calls.
   *
   * Invariant: one of {@link #all}, or undefined; no two tables have the same
   * bus, and {@link remove} forgets it.
   */
  protected last: GuestTable | undefined;

  get all(): readonly GuestTable[] {
    return this.#all;
  }

  /** The table of a logical bus, in halves of either sign: all 64 bits count. */
  find(liobnHi: number, liobnLo: number): GuestTable | undefined {
    const last = this.last;
    return last !== undefined && ((last.liobnLo ^ liobnLo) | (last.liobnHi ^ liobnHi)) === 0
      ? last
      : this.search(liobnHi | 0, liobnLo | 0);
  }

  add(table: GuestTable): void {
    this.#all = [...this.#all, table];
  }

  remove(table: GuestTable): void {
    this.#all = this.#all.filter((other) => other !== table);
    this.last = undefined;
  }

  protected search(liobnHi: number, liobnLo: number): GuestTable | undefined {
    const found = this.#all.find((table) => table.liobnLo === liobnLo && table.liobnHi === liobnHi);
    if (found !== undefined) this.last = found;
    return found;
  }
}
