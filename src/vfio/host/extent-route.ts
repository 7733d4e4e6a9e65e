import type { MemorySlot } from "../../kvm/memory-slot.ts";
import type { PageRoute } from "../../kvm/ports.ts";
import { TCE_PERM_MASK } from "../../tce/tce.ts";
import type { TceTable } from "../../tce/tce-table.ts";
import type { HardwareTable } from "./hardware-table.ts";
import type { RegionCounts } from "./region-counts.ts";
import type { RegisteredExtent, RegisteredRegion } from "./registered-memory.ts";

/** Bytes of the smallest I/O page. */
const UNIT = 0x1000;
/** Units in the 8 TiB that routes are for: their numbers are small integers. */
const MOST_UNITS = 2 ** 31;

/**
 * How pages of a memory slot get into a hardware table whose entries all point into one extent of registered memory
 * ({@link RegionCounts.sole}): of guest memory that lies in both, a page's place in physical memory is a sum.
 *
 * Invariant: while the slot and the region are there and the extent is the only one, {@link HardwareTable.mapPage} of
 * such a page over a valid entry does no more than {@link overwrite}. None of the three comes back, so that a route
 * that no longer holds never does again.
 */
export class ExtentRoute implements PageRoute {
  readonly slot: MemorySlot;
  // No private names: those make bytecode longer (see TceTable). Numbers are numbers from the start, in units.
  protected readonly region: RegisteredRegion;
  protected readonly counts: RegionCounts;
  protected readonly entries: TceTable;
  /** First guest address. */
  protected readonly first: number = 0;
  protected readonly units: number = 0;
  /** Physical address minus guest address. */
  protected readonly distance: number = 0;
  /** Bits of an entry that are neither of its page nor its permission. */
  protected readonly offset: number = 0;

  protected constructor(
    slot: MemorySlot,
    { region }: RegisteredExtent,
    { counts, entries }: HardwareTable,
    { first, units, physical }: { readonly first: number; readonly units: number; readonly physical: number },
  ) {
    this.slot = slot;
    this.region = region;
    this.counts = counts;
    this.entries = entries;
    this.first = first | 0;
    this.units = units | 0;
    this.distance = (physical - first) | 0;
    this.offset = ~entries.page.maskLo & ~TCE_PERM_MASK;
  }

  /**
   * The route of a slot from which a page of the extent was mapped, which is the only one of the table; null if it is too
   * far up.
   */
  static of(slot: MemorySlot, extent: RegisteredExtent, table: HardwareTable): ExtentRoute | null {
    const vaddr = Number(slot.vaddr);
    const start = Math.max(vaddr, extent.start);
    const end = Math.min(vaddr + Number(slot.size), extent.end);
    const first = (Number(slot.address) + start - vaddr) / UNIT;
    const physical = (extent.physical + start - extent.start) / UNIT;
    const units = (end - start) / UNIT;
    if (Math.max(first, physical) + units > MOST_UNITS) return null;
    return new ExtentRoute(slot, extent, table, { first, units, physical });
  }

  overwrite(index: number, hi: number, lo: number): boolean {
    const unit = (hi << 20) | (lo >>> 12);
    const isOther =
      (unit - this.first) >>> 0 >= this.units ||
      ((hi & -2048) | (lo & this.offset) | this.slot.gone | this.region.gone | this.counts.mixed) !== 0;
    if (isOther) return false;
    const physical = unit + this.distance;
    // A device that may write may read as well.
    const bits = (lo & 3) | ((lo & 2) >>> 1);
    return this.entries.overwrite(index, physical >>> 20, (physical << 12) | bits);
  }
}
