import type { Errno } from "../../base/errno.ts";
import { hiOfNumber, loOfNumber, TWO32 } from "../../base/u64.ts";
import { TCE_PERM_MASK, TCE_READ, TCE_WRITE } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { FaultInjector } from "./faults.ts";
import type { RegisteredMemory } from "./registered-memory.ts";
import type { TableGeometry } from "./tce-geometry.ts";

/** Where a table lies on the bus. */
export interface TablePlace {
  /** log2 of the I/O page size. */
  readonly pageShift: number;
  /** First bus address. */
  readonly start: bigint;
  /** Pages that count as locked for this table. */
  readonly chargedPages: number;
}

/** How far a MAP came. `errno` says why it stopped before the end. */
export interface MapProgress {
  readonly pages: number;
  readonly errno?: Errno;
}

/**
 * A TCE table of the host's bridge: what the device sees, and beside it the
 * user address that each entry was made from.
 *
 * Both are {@link TceTable}s, so an empty window costs nothing and a linear
 * mapping is one run. The user address says which registered region an entry
 * counts for; entries of a version 1 container have none.
 */
export class HardwareTable {
  readonly pageShift: number;
  /** Bytes of an I/O page. */
  readonly pageSize: number;
  /** First bus address. */
  readonly start: bigint;
  /** {@link start} as a page number. */
  readonly firstPage: number;
  /** Entries that MAP accepts, often more than were asked for. */
  readonly length: number;
  readonly chargedPages: number;
  /** Physical address and permission of each page. */
  readonly entries: TceTable;
  readonly #userAddresses: TceTable;
  readonly #reachable: bigint;
  readonly #faults: FaultInjector;

  constructor(place: TablePlace, geometry: TableGeometry, faults: FaultInjector) {
    this.pageShift = place.pageShift;
    this.pageSize = 2 ** place.pageShift;
    this.start = place.start;
    this.firstPage = Number(place.start >> BigInt(place.pageShift));
    this.length = geometry.length;
    this.chargedPages = place.chargedPages;
    this.entries = new TceTable({ length: geometry.length, pageShift: place.pageShift });
    this.#userAddresses = new TceTable({ length: geometry.length, pageShift: place.pageShift });
    this.#reachable = geometry.reachable;
    this.#faults = faults;
  }

  /** Number of the entry for a bus address, or -1 outside of the table. */
  indexOf(iova: bigint): number {
    const index = Number(iova >> BigInt(this.pageShift)) - this.firstPage;
    return index >= 0 && index < this.length ? index : -1;
  }

  /** May an I/O page be mapped to this user address? It must be registered, in pages large enough. */
  accepts(registered: RegisteredMemory, vaddr: number): boolean {
    const region = registered.find(vaddr, this.pageSize);
    return region !== undefined && region.pageShift >= this.pageShift;
  }

  /**
   * Maps consecutive pages of registered memory, replacing what was there. On
   * failure the entries from the failing one on are as before.
   *
   * @param index first entry; the caller has checked that all are in the table
   * @param vaddr user address, a multiple of the page size
   */
  map(
    registered: RegisteredMemory,
    index: number,
    pages: number,
    vaddr: number,
    permission: number,
  ): MapProgress {
    const size = this.pageSize;
    for (let done = 0; done < pages; ) {
      const at = vaddr + done * size;
      const region = registered.find(at, size);
      if (region === undefined || region.pageShift < this.pageShift) return { pages: done, errno: "EINVAL" };
      const extent = region.extentOf(at);
      if (extent.pageShift < this.pageShift) return { pages: done, errno: "EPERM" };
      const errno = this.#faults.at("exchange");
      if (errno !== undefined) return { pages: done, errno };

      const count = Math.min(pages - done, Math.floor((extent.end - at) / size));
      region.mapped += count;
      this.#forget(registered, index + done, count);
      this.#store(index + done, count, extent.physical + at - extent.start, permission);
      this.#userAddresses.putRun(index + done, count, hiOfNumber(at), loOfNumber(at));
      done += count;
    }
    return { pages };
  }

  /** Maps consecutive pages that were pinned just now, without a region. On failure nothing is changed. */
  mapPinned(index: number, pages: number, physical: number, permission: number): MapProgress {
    const errno = this.#faults.at("exchange");
    if (errno !== undefined) return { pages: 0, errno };
    this.#store(index, pages, physical, permission);
    return { pages };
  }

  /** Clears entries; the regions that they pointed to count less. */
  unmap(registered: RegisteredMemory, index: number, pages: number): void {
    this.#forget(registered, index, pages);
    this.clear(index, pages);
    clearRange(this.#userAddresses, index, pages);
  }

  /** Clears entries of the device's table only: no region learns of it. */
  clear(index: number, pages: number): void {
    clearRange(this.entries, index, pages);
  }

  /** The first of the mapped entries whose region is gone, or `index + pages`. */
  firstOrphan(registered: RegisteredMemory, index: number, pages: number): number {
    let orphan = index + pages;
    this.#forEachUserRun(index, index + pages, (first, count, vaddr) => {
      for (let done = 0; done < count && first + done < orphan; ) {
        const stretch = registered.stretch(vaddr + done * this.pageSize, count - done, this.pageSize);
        if (stretch.region === undefined) orphan = first + done;
        done += stretch.pages;
      }
    });
    return orphan;
  }

  /**
   * What a device gets at a bus address: physical address and permission, or
   * null. The hardware takes as many bits of the page number as the levels of
   * the table have, so addresses past its end begin at the front again; levels
   * that MAP does not reach are never there.
   */
  translate(iova: bigint): { readonly physical: number; readonly permission: number } | null {
    const shift = BigInt(this.pageShift);
    const index = (iova >> shift) % this.#reachable;
    if (index >= BigInt(this.length)) return null;
    this.entries.load(Number(index));
    const { hi, lo } = this.entries;
    const offset = Number(iova & ((1n << shift) - 1n));
    const permission = lo & TCE_PERM_MASK;
    return { physical: hi * TWO32 + (lo - permission) + offset, permission };
  }

  /** A device that may write may read as well: the hardware knows no write-only pages. */
  #store(index: number, count: number, physical: number, permission: number): void {
    const bits = (permission & TCE_WRITE) !== 0 ? permission | TCE_READ : permission;
    this.entries.putRun(index, count, hiOfNumber(physical), loOfNumber(physical) + bits);
  }

  #forget(registered: RegisteredMemory, index: number, pages: number): void {
    this.#forEachUserRun(index, index + pages, (_first, count, vaddr) => {
      registered.unmapped(vaddr, count, this.pageSize);
    });
  }

  /** Visits the user addresses of the mapped entries, in runs of consecutive pages. */
  #forEachUserRun(
    index: number,
    end: number,
    visit: (first: number, count: number, vaddr: number) => void,
  ): void {
    if (end - index === 1) {
      // A single page, as most hypercalls have it, is not worth a walk.
      const { entries } = this;
      const addresses = this.#userAddresses;
      entries.load(index);
      if ((entries.lo & TCE_PERM_MASK) === 0) return;
      addresses.load(index);
      if ((addresses.hi | addresses.lo) !== 0) visit(index, 1, addresses.hi * TWO32 + addresses.lo);
      return;
    }
    this.entries.forEachStoredRun(index, end, (first, count, _hi, entryLo) => {
      if ((entryLo & TCE_PERM_MASK) === 0) return;
      this.#userAddresses.forEachStoredRun(first, first + count, (at, pages, hi, lo, step) => {
        const vaddr = hi * TWO32 + lo;
        if (step === 1 || pages === 1) visit(at, pages, vaddr);
        else for (let i = 0; i < pages; i++) visit(at + i, 1, vaddr);
      });
    });
  }
}

function clearRange(table: TceTable, index: number, pages: number): void {
  if (pages === 1) table.put(index, 0, 0);
  else table.fill(index, pages, 0, 0);
}
