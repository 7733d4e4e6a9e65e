import { MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { clearEntries } from "./direct-map.ts";
import type { GuestCalls } from "./guest-calls.ts";
import type { IommuTable, TableRequest } from "./iommu-table.ts";

/**
 * Who reads and who writes a buffer.
 *
 * @public
 */
export type DmaDirection = "to-device" | "from-device" | "bidirectional";

/** The only status that makes a map fail; Linux prints all others and goes on (LINUX-MAP-2). */
const H_NOT_ENOUGH_RESOURCES = -44;
const READ = 1;
const READ_WRITE = 3;

/** What Linux asks a table for, but for the number of entries. */
export type TableLimits = Omit<TableRequest, "pages" | "handle">;

/** Maps and unmaps buffers with the entries of a table. */
export class TableDma {
  readonly #calls: GuestCalls;
  readonly #takesLists: boolean;

  constructor(calls: GuestCalls, takesLists: boolean) {
    this.#calls = calls;
    this.#takesLists = takesLists;
  }

  /**
   * Maps memory that is contiguous: entries are taken, then written one by one or, several, in lists (LINUX-MAP-1).
   *
   * @param physical address of the first byte, below 2^53
   * @param size bytes, from 1
   * @param handle the end of what the same list got before
   * @returns its DMA address, or undefined if there is none
   */
  map(
    table: IommuTable,
    { physical, size }: { readonly physical: number; readonly size: number },
    direction: DmaDirection,
    limits: TableLimits,
    handle?: number,
  ): bigint | undefined {
    const { pageShift } = table.window;
    const pageSize = 2 ** pageShift;
    const first = Math.floor(physical / pageSize) * pageSize;
    const pages = Math.ceil((physical + size - first) / pageSize);
    const entry = table.allocate({ ...limits, pages, ...(handle === undefined ? {} : { handle }) });
    if (entry < 0) return undefined;
    const target = first + (direction === "to-device" ? READ : READ_WRITE);
    const written = this.#build(table, entry, target, pages);
    if (written < 0) return table.addressOf(entry) + BigInt(physical - first);
    // The hypervisor has no room: what was written is cleared, and then all of it once more.
    this.#clear(table, entry, written);
    this.#clear(table, entry, pages);
    table.give(entry, pages);
    return undefined;
  }

  /** @returns false for an address outside of the table: then nothing is done, as in Linux */
  unmap(table: IommuTable, address: bigint, size: number): boolean {
    const pageSize = 2 ** table.window.pageShift;
    const offset = Number(address - table.window.busOffset);
    const entry = Math.floor(offset / pageSize);
    const pages = Math.ceil((offset + size) / pageSize) - entry;
    if (entry < 0 || entry + pages > table.length) return false;
    this.#clear(table, entry, pages);
    return table.give(entry, pages);
  }

  /** @returns -1, or how many entries were written before the hypervisor had no room */
  #build(table: IommuTable, entry: number, target: number, pages: number): number {
    const { liobn, pageShift } = table.window;
    const pageSize = 2 ** pageShift;
    const isList = this.#takesLists && pages > 1;
    for (let done = 0; done < pages; ) {
      const count = isList ? Math.min(MAX_LIST_ENTRIES, pages - done) : 1;
      const ioba = table.addressOf(entry + done);
      const tce = target + done * pageSize;
      const status = isList
        ? this.#calls.putList(liobn, ioba, { target: tce, pageSize, count })
        : this.#calls.put(liobn, ioba, BigInt(tce));
      if (status === H_NOT_ENOUGH_RESOURCES) return done;
      // After another refusal no more lists are tried, but single entries are.
      if (status !== 0 && isList) return -1;
      done += count;
    }
    return -1;
  }

  #clear(table: IommuTable, entry: number, pages: number): void {
    const { window } = table;
    if (this.#takesLists) {
      clearEntries(this.#calls, window, entry * 2 ** window.pageShift, pages * 2 ** window.pageShift);
      return;
    }
    for (let i = 0; i < pages; i++) this.#calls.put(window.liobn, table.addressOf(entry + i), 0n);
  }
}
