import type { Errno } from "../../base/errno.ts";
import { type PageStep, pageStep } from "../../base/page-step.ts";
import { hiOfNumber, loOfNumber, pageOf, TWO32 } from "../../base/u64.ts";
import { type HostRun, NOT_ACCEPTED } from "../../kvm/ports.ts";
import { TCE_PERM_MASK, TCE_WRITE } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { FaultGate, FaultInjector } from "./faults.ts";
import type { PhysicalMemory } from "./physical-memory.ts";
import { addressOf, PINNED, RegionCounts } from "./region-counts.ts";
import type { RegisteredExtent, RegisteredMemory } from "./registered-memory.ts";
import type { TableGeometry } from "./tce-geometry.ts";

// V8 folds constants of the module itself, but loads imported ones each time.
const WEIGHT = TWO32;
const WRITE = TCE_WRITE;

/** Where a table lies on the bus. */
export interface TablePlace {
  /** log2 of the I/O page size. */
  readonly pageShift: number;
  /** First bus address. */
  readonly start: bigint;
  /** Pages that count as locked for this table. */
  readonly chargedPages: number;
}

/** What a table needs of its host. */
export interface TableHost {
  readonly physical: PhysicalMemory;
  readonly faults: FaultInjector;
}

/**
 * A TCE table of the host's bridge: what the device sees.
 *
 * It is a {@link TceTable}, so an empty window costs nothing and a linear
 * mapping is one run. {@link RegionCounts} finds the registered regions of
 * their entries.
 */
export class HardwareTable {
  readonly page: PageStep;
  // Numbers are numbers from the start: V8 knows no integer field that was undefined once.
  /** Bytes of an I/O page. */
  readonly pageSize: number = 0;
  /** First bus address. */
  readonly start: bigint;
  /** {@link start} as a page number. */
  readonly firstPage: number = 0;
  /** Entries that MAP accepts, often more than were asked for. */
  readonly length: number = 0;
  readonly chargedPages: number = 0;
  /** Physical address and permission of each page. */
  readonly entries: TceTable;
  /** Which regions count for the entries. */
  readonly counts: RegionCounts;
  readonly #reachable: bigint;
  /** Asked before a stretch of entries is stored. */
  protected readonly gate: FaultGate;

  constructor(place: TablePlace, geometry: TableGeometry, host: TableHost) {
    this.page = pageStep(place.pageShift);
    this.pageSize = 2 ** place.pageShift;
    this.start = place.start;
    this.firstPage = Number(place.start >> BigInt(place.pageShift));
    this.length = geometry.length;
    this.chargedPages = place.chargedPages;
    this.entries = new TceTable({ length: geometry.length, pageShift: place.pageShift });
    this.#reachable = geometry.reachable;
    this.counts = new RegionCounts(this.entries, host.physical);
    this.gate = host.faults.exchange;
  }

  /** log2 of the I/O page size. */
  get pageShift(): number {
    return this.page.shift;
  }

  /** Is each stretch of entries stored without asking? */
  get neverFails(): boolean {
    return this.gate.isOpen;
  }

  /** Number of the entry for a bus address, or -1 outside of the table. */
  indexOf(hi: number, lo: number): number {
    const index = pageOf(hi >>> 0, lo >>> 0, this.page.shift) - this.firstPage;
    return index >= 0 && index < this.length ? index : -1;
  }

  /** May a page be mapped to this user address? It must be registered, in pages large enough. */
  acceptsPage(registered: RegisteredMemory, vaddrHi: number, vaddrLo: number): boolean {
    const region = registered.find(vaddrOf(vaddrHi, vaddrLo), this.pageSize);
    return region !== undefined && region.pageShift >= this.page.shift;
  }

  /** May all pages of a run be mapped? */
  accepts(registered: RegisteredMemory, { pages, vaddrHi, vaddrLo }: HostRun): boolean {
    const size = this.pageSize;
    const vaddr = vaddrOf(vaddrHi, vaddrLo);
    for (let done = 0; done < pages; ) {
      const at = vaddr + done * size;
      const region = registered.find(at, size);
      if (region === undefined || region.pageShift < this.page.shift) return false;
      done += Math.floor((region.end - at) / size);
    }
    return true;
  }

  /**
   * Maps a page of registered memory, replacing what was there. On failure
   * nothing is changed.
   *
   * @returns NOT_ACCEPTED if {@link acceptsPage} would not have it
   */
  mapPage(
    registered: RegisteredMemory,
    index: number,
    vaddrHi: number,
    vaddrLo: number,
    permission: number,
  ): Errno | 0 | typeof NOT_ACCEPTED {
    const extent = registered.extentOf(vaddrHi, vaddrLo);
    if (extent === undefined) return NOT_ACCEPTED;
    const { counts } = this;
    const isPage = counts.isPageOf(extent, vaddrLo);
    const refused = isPage ? 0 : this.refusal(registered, extent, vaddrHi, vaddrLo);
    const errno = refused !== 0 ? refused : this.gate.pass();
    if (errno !== undefined) return errno;
    const hi = extent.toPhysical.targetHi(vaddrHi, vaddrLo);
    const lo = extent.toPhysical.targetLo(vaddrLo) | bitsOf(permission);
    // Nearly always no region counts more or less.
    if (isPage && counts.sole === extent && this.entries.overwrite(index, hi, lo)) return 0;
    counts.stores(extent, vaddrLo);
    this.exchange(registered, extent, index, hi, lo);
    return 0;
  }

  /** Replaces an entry by one that points into an extent. */
  protected exchange(
    registered: RegisteredMemory,
    extent: RegisteredExtent,
    index: number,
    hi: number,
    lo: number,
  ): void {
    this.entries.exchange(index, hi, lo);
    this.counts.moved(registered, extent, this.entries.hi, this.entries.lo);
  }

  /** May a page be mapped that begins in an extent? */
  protected refusal(
    registered: RegisteredMemory,
    extent: RegisteredExtent,
    vaddrHi: number,
    vaddrLo: number,
  ): "EPERM" | typeof NOT_ACCEPTED | 0 {
    const { shift } = this.page;
    const region = registered.find(vaddrOf(vaddrHi, vaddrLo), this.pageSize);
    if (region === undefined || region.pageShift < shift) return NOT_ACCEPTED;
    return extent.pageShift < shift ? "EPERM" : 0;
  }

  /**
   * Maps pages of registered memory, replacing what was there. On failure the
   * entries from the failing one on are as before; `run.done` are those before it.
   *
   * @param run entries; the caller has checked that all are in the table
   */
  map(registered: RegisteredMemory, run: HostRun): Errno | 0 {
    const size = this.pageSize;
    const { shift } = this.page;
    const { index, pages, permission } = run;
    const vaddr = vaddrOf(run.vaddrHi, run.vaddrLo);
    run.done = 0;
    for (let done = 0; done < pages; run.done = done) {
      const at = vaddr + done * size;
      const region = registered.find(at, size);
      if (region === undefined || region.pageShift < shift) return "EINVAL";
      const extent = region.extentOf(at);
      if (extent.pageShift < shift) return "EPERM";
      const errno = this.gate.pass();
      if (errno !== undefined) return errno;

      const physical = extent.physical + (at - extent.start);
      const count = Math.min(pages - done, Math.floor((extent.end - at) / size));
      region.mapped += count;
      this.counts.stores(extent, loOfNumber(at));
      this.counts.cleared(registered, index + done, count);
      const lo = loOfNumber(physical) + bitsOf(permission);
      this.entries.putRun(index + done, count, hiOfNumber(physical), lo);
      done += count;
    }
    return 0;
  }

  /** Maps pages that were pinned just now, without a region. On failure nothing is changed. */
  mapPinned(run: HostRun, physical: number): Errno | 0 {
    const errno = this.gate.pass();
    if (errno !== undefined) return errno;
    const bits = bitsOf(run.permission) | PINNED;
    this.counts.storesPinned();
    this.entries.putRun(run.index, run.pages, hiOfNumber(physical), loOfNumber(physical) + bits);
    return 0;
  }

  /** Clears entries; the regions that they pointed to count less. */
  unmap(registered: RegisteredMemory, index: number, pages: number): void {
    if (pages === 1) {
      // A single page, as most hypercalls have it, is not worth a walk.
      this.entries.exchange(index, 0, 0);
      this.counts.gone(registered, this.entries.hi, this.entries.lo);
    } else {
      this.counts.cleared(registered, index, pages);
      this.entries.fill(index, pages, 0, 0);
    }
  }

  /** Clears entries of the device's table only: no region learns of it. */
  clear(index: number, pages: number): void {
    if (pages === 1) this.entries.put(index, 0, 0);
    else this.entries.fill(index, pages, 0, 0);
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
    return { physical: addressOf(hi, lo) + offset, permission: lo & TCE_PERM_MASK };
  }
}

/** User addresses end at 2^52: whatever lies above is not registered, exact or not. */
const vaddrOf = (hi: number, lo: number): number => (hi >>> 0) * WEIGHT + (lo >>> 0);

/** A device that may write may read as well: the hardware knows no write-only pages. */
const bitsOf = (permission: number): number => permission | ((permission & WRITE) >>> 1);
