/**
 * What KVM needs of the rest of the host: the process that owns the virtual
 * machine, and the hardware tables of VFIO groups.
 *
 * @module
 */

import type { Errno } from "../base/errno.ts";
import type { MemorySlot } from "./memory-slot.ts";

/** The process that created a virtual machine. */
export interface KvmProcess {
  /** Charges pages to the account of locked memory; false beyond its limit. */
  charge(pages: number): boolean;
  /** Takes pages from that account. */
  uncharge(pages: number): void;
  /**
   * Reads 64-bit big-endian values, the high and the low half of each.
   *
   * @param vaddr address in the process
   * @returns how many could be read
   */
  loadBigEndian(vaddr: number, words: Uint32Array, count: number): number;
}

/**
 * Consecutive entries of a table and the consecutive addresses that they map.
 * One object is filled again and again; the halves of the address are signed.
 */
export class HostRun {
  /** First entry. */
  index = 0;
  /** I/O pages. */
  pages = 0;
  /** Address in the process; below 2^52 wherever there is memory. */
  vaddrHi = 0;
  vaddrLo = 0;
  /** TCE_READ, TCE_WRITE, both or none. */
  permission = 0;
  /** Set by whoever maps: pages that were mapped before one failed. */
  done = 0;
}

/** Where a page is not accepted: nothing was tried. */
export const NOT_ACCEPTED = 1;

/** How pages of one slot get into a table of the host where the kernel has nothing to ask or count for them. */
export interface PageRoute {
  /**
   * Replaces a valid entry by another one, which is a TCE of the guest in signed halves.
   *
   * @returns false where it is not that, or there is more to do: nothing is done
   */
  overwrite(index: number, hi: number, lo: number): boolean;
}

/**
 * A table of the host's bridge, as the guest's hypercalls reach it. Entries
 * count from the start of the table; addresses are of the process.
 */
export interface HostTable {
  /** The same object whenever it is the same table. */
  readonly identity: object;
  /** log2 of the I/O page size. */
  readonly pageShift: number;
  /** First bus address. */
  readonly start: bigint;
  /** Number of entries. */
  readonly length: number;
  /** May a page be mapped to an address of the process? */
  acceptsPage(vaddrHi: number, vaddrLo: number): boolean;
  /** May all pages be mapped? */
  accepts(run: HostRun): boolean;
  /** Maps a page, if it is accepted. */
  mapPage(
    index: number,
    vaddrHi: number,
    vaddrLo: number,
    permission: number,
  ): Errno | 0 | typeof NOT_ACCEPTED;
  /**
   * The route of pages of a slot, of which {@link mapPage} has just mapped one; null if it is to be asked for each of them.
   *
   * @param known a route of this table: the answer, if it is still the right one
   */
  routeOf(slot: MemorySlot, known: PageRoute | null): PageRoute | null;
  /** Maps pages; what it did before it failed stays and is told in `run.done`. */
  map(run: HostRun): Errno | 0;
  /** Unmaps pages; false if a mapped one has no memory behind it any more, from there on nothing is done. */
  unmap(index: number, pages: number): boolean;
  /** Clears entries and nothing else. */
  clear(index: number, pages: number): void;
}

/** The file of a VFIO group, which KVM keeps open while it knows the group. */
export interface KvmGroupFile {
  retain(): void;
  release(): void;
  /** The tables of the group's windows now. */
  tables(): readonly HostTable[];
}
