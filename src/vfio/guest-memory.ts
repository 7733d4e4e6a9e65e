import { minBig } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { GuestRam } from "../memory/guest-ram.ts";

/** Guest memory that pages map to, contiguous. */
export interface GuestMemory {
  readonly ram: GuestRam;
  /** Offset in that memory. */
  readonly offset: bigint;
  /** Guest address. */
  readonly address: bigint;
  /** May the device write it, as far as the memory is concerned? */
  readonly readonly: boolean;
}

/** How far a stretch of pages goes, and what is behind all of them. */
export interface MemoryStretch {
  readonly pages: number;
  /** The memory; or why the pages cannot be mapped, in QEMU's words (QEMU-LISTENER-5). */
  readonly memory: GuestMemory | string;
}

/**
 * The beginning of a run of pages in terms of memory: as many as lie in one
 * piece of it, or as many as do not.
 *
 * @param address guest address of the first page
 * @param pageSize bytes of a page
 * @param pages how many follow each other, at least 1
 */
export function resolvePages(
  system: AddressSpace,
  address: bigint,
  pageSize: bigint,
  pages: number,
): MemoryStretch {
  const range = system.view.find(address);
  if (range === undefined || range.region.ram === null) {
    const next = system.view.ranges.find((other) => other.address > address);
    const free = (next === undefined ? 1n << 64n : next.address) - address;
    // A page that begins outside of memory is outside, even if it ends inside.
    const outside = minBig((free + pageSize - 1n) / pageSize, BigInt(pages));
    return { pages: Number(outside), memory: `iommu map to non memory area ${address.toString(16)}` };
  }
  const offset = address - range.address + range.offsetInRegion;
  const inside = minBig((range.last + 1n - address) / pageSize, BigInt(pages));
  if (inside === 0n) return { pages: 1, memory: "iommu has granularity incompatible with target AS" };
  return {
    pages: Number(inside),
    memory: { ram: range.region.ram, offset, address, readonly: range.readonly },
  };
}
