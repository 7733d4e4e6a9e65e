import { MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { clearPages } from "./direct-map.ts";
import type { GuestCalls } from "./guest-calls.ts";
import type { IommuTable, TableLimits } from "./iommu-table.ts";

/**
 * Who reads and who writes a buffer.
 *
 * @public
 */
export type DmaDirection = "to-device" | "from-device" | "bidirectional";

/**
 * A buffer in the guest's memory.
 *
 * @public
 */
export interface Buffer {
  /** Address of the first byte, below 2^53. */
  readonly physical: number;
  /** Bytes, from 1. */
  readonly size: number;
}

/** The only status that makes a map fail; Linux prints all others and goes on (LINUX-MAP-2). */
const H_NOT_ENOUGH_RESOURCES = -44;
const READ = 1;
const READ_WRITE = 3;

/** Maps and unmaps buffers with the entries of a table. Addresses are bytes of its window. */
export class TableDma {
  protected readonly calls: GuestCalls;
  protected readonly takesLists: boolean;

  constructor(calls: GuestCalls, takesLists: boolean) {
    this.calls = calls;
    this.takesLists = takesLists;
  }

  /**
   * Maps memory that is contiguous: entries are taken, then written one by one or, several, in lists (LINUX-MAP-1).
   *
   * @param handle the end of what the same list got before, or -1
   * @returns its byte of the window, or -1 if there is none
   */
  map(
    table: IommuTable,
    physical: number,
    size: number,
    direction: DmaDirection,
    limits: TableLimits,
    handle: number,
  ): number {
    const { window } = table;
    const first = window.pageOf(physical);
    const pages = window.pageOf(physical + size - 1) - first + 1;
    const entry = table.allocate(pages, limits, handle);
    if (entry < 0) return -1;
    const start = first * window.pageSize;
    const tce = start + (direction === "to-device" ? READ : READ_WRITE);
    const written = pages === 1 ? this.buildOne(table, entry, tce) : this.#build(table, entry, tce, pages);
    if (written >= 0) return this.#undo(table, entry, pages, written);
    return entry * window.pageSize + physical - start;
  }

  /** The hypervisor has no room: what was written is cleared, and then all of it once more. */
  #undo(table: IommuTable, entry: number, pages: number, written: number): number {
    this.#clear(table, entry, written);
    this.#clear(table, entry, pages);
    table.give(entry, pages);
    return -1;
  }

  /** @returns false for bytes outside of the table: then nothing is done, as in Linux */
  unmap(table: IommuTable, byte: number, size: number): boolean {
    const { window } = table;
    const entry = window.pageOf(byte);
    const pages = window.pageOf(byte + size - 1) - entry + 1;
    if (byte < 0 || entry + pages > table.length) return false;
    if (pages === 1 && this.takesLists) this.calls.clear(window, entry, 1);
    else this.#clear(table, entry, pages);
    return table.give(entry, pages);
  }

  protected buildOne({ window }: IommuTable, entry: number, tce: number): number {
    return this.calls.put(window, entry, tce) === H_NOT_ENOUGH_RESOURCES ? 0 : -1;
  }

  /** @returns -1, or how many entries were written before the hypervisor had no room */
  #build({ window }: IommuTable, entry: number, tce: number, pages: number): number {
    const isList = this.takesLists;
    for (let done = 0; done < pages; ) {
      const count = isList ? Math.min(MAX_LIST_ENTRIES, pages - done) : 1;
      const next = tce + done * window.pageSize;
      const status = isList
        ? this.calls.putList(window, entry + done, next, count)
        : this.calls.put(window, entry + done, next);
      if (status === H_NOT_ENOUGH_RESOURCES) return done;
      // After another refusal no more lists are tried, but single entries are.
      if (status !== 0 && isList) return -1;
      done += count;
    }
    return -1;
  }

  #clear({ window }: IommuTable, entry: number, pages: number): void {
    if (this.takesLists) clearPages(this.calls, window, entry, pages);
    else for (let i = 0; i < pages; i++) this.calls.put(window, entry + i, 0);
  }
}
