import type { IommuTable, TableLimits } from "./iommu-table.ts";
import type { LinuxGuest } from "./linux-guest.ts";
import type { PciFunction } from "./pci-function.ts";

/** What the PCI core sets for a device that says nothing: a buffer crosses no multiple of 4 GiB. */
const BOUNDARY = 2 ** 32;

/**
 * Which way the streaming maps of a device go (LINUX-MASK-3), as numbers: made once for each state of the device, so that a map
 * compares and adds no more. Physical addresses are below 2^53.
 */
export class DmaRoute {
  /** The last physical byte that has a direct address, -1 for none. Behind it maps go through {@link table}. */
  readonly directLast: number = 0;
  /** The last physical byte whose direct address the mask has. */
  readonly maskLast: number = 0;
  /** Start of direct addresses, in halves. */
  readonly offsetHi: number = 0;
  readonly offsetLo: number = 0;
  /** Addresses of {@link isFromOffset} count as direct ones: all that the device gets, or those of a limited bus. */
  readonly unmapsFromOffset: boolean;
  /** No address that the device gets is one of a table. */
  readonly isAlwaysDirect: boolean;
  readonly table: IommuTable | undefined;
  /** What the table is asked for: for a buffer, and for one that keeps whole pages of the processor together. */
  readonly limits: TableLimits | undefined;
  readonly pageLimits: TableLimits | undefined;

  constructor(guest: LinuxGuest, fn: PciFunction) {
    const { bypass, busLimit, dmaOffset, streamingMask, table } = fn;
    const reachesAll = streamingMask >= BigInt(guest.endOfRam) - 1n + dmaOffset;
    this.isAlwaysDirect = bypass && reachesAll;
    // With a limit every address from the offset on counts as direct, also where the table begins after it.
    this.unmapsFromOffset = !bypass && busLimit !== 0n;
    if (bypass) this.directLast = reachesAll ? Number.POSITIVE_INFINITY : -1;
    else this.directLast = busLimit === 0n ? -1 : Number(busLimit - dmaOffset);
    this.maskLast = Number(streamingMask - dmaOffset);
    this.offsetHi = Number(dmaOffset >> 32n);
    this.offsetLo = Number(dmaOffset & 0xffff_ffffn);
    this.table = table;
    const limitsOf = (alignOrder: number): TableLimits | undefined =>
      table?.limitsOf({ mask: streamingMask, alignOrder, boundary: BOUNDARY });
    this.limits = limitsOf(0);
    const shift = table?.window.pageShift ?? 0;
    const order = Math.max(0, Math.log2(guest.cpuPageSize) - shift);
    this.pageLimits = order === 0 ? this.limits : limitsOf(order);
  }

  /** Is an address one from {@link offsetHi} on? */
  isFromOffset(hi: number, lo: number): boolean {
    return hi > this.offsetHi || (hi === this.offsetHi && lo >= this.offsetLo);
  }
}

/** What a table is asked for a buffer of consistent memory, which is aligned to its own size. */
export const coherentLimits = (table: IommuTable, mask: bigint, alignOrder: number): TableLimits =>
  table.limitsOf({ mask, alignOrder, boundary: BOUNDARY });
