import { type Permission, permText } from "../../base/permission.ts";
import type { AddressRange } from "../../base/range.ts";
import { hex, hex64 } from "../../base/u64.ts";

/**
 * Where a window of a device is between the guest's IOMMU and the device.
 *
 * - `queued`: the guest mapped it, its DMA_MAP is still to be sent
 * - `mapping`: DMA_MAP was sent, and the device may use it already
 * - `mapped`: the device accepted it
 * - `unmapping`: DMA_UNMAP was sent or is still to be, and the device may be finishing
 * - `gone`: the device answered the DMA_UNMAP
 * - `refused`: the device refused its DMA_MAP, or keeps it against a DMA_UNMAP
 */
export type WindowState = "queued" | "mapping" | "mapped" | "unmapping" | "gone" | "refused";

/** What the guest wants at a place of the bus. */
export interface WantedMapping {
  readonly perm: Permission;
  /** Guest address that it leads to. */
  readonly target: bigint;
}

/** A stretch of the bus that is one window of the device, from its DMA_MAP to the reply to its DMA_UNMAP. */
export class AnnouncedWindow {
  readonly first: bigint;
  readonly last: bigint;
  /** What the guest has there now; null if it took it away. */
  wanted: WantedMapping | null = null;
  /** What the device was told last and may still use; null if nothing. */
  told: WantedMapping | null = null;
  state: WindowState = "queued";
  /** Somebody is sending what the device still has to be told. */
  isBusy = false;

  constructor({ first, last }: AddressRange) {
    this.first = first;
    this.last = last;
  }

  get size(): bigint {
    return this.last - this.first + 1n;
  }

  /** May the device use it now? */
  get isLive(): boolean {
    return this.state === "mapped" || this.state === "mapping";
  }
}

/** A window that is gone, for who asks why something is not there. */
export interface GoneWindow {
  readonly first: bigint;
  readonly last: bigint;
  readonly perm: Permission;
  /** Number of the DMA_UNMAP among all messages of the connection. */
  readonly unmap: number;
}

/** `0x0000000000001000-0x0000000000001fff (rw)`. */
export const windowText = ({ first, last }: { first: bigint; last: bigint }, perm: Permission): string =>
  `${hex64(first)}-${hex64(last)} (${permText(perm)})`;

/** How far apart two addresses are, for people. */
export const distance = (from: bigint, to: bigint): string => `${hex(to - from)} bytes`;
