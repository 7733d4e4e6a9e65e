import { PartitionableEndpoint } from "../../spapr/endpoint.ts";
import type { HardwareTable } from "./hardware-table.ts";
import { MAX_LEVELS } from "./tce-geometry.ts";

/** Dynamic windows of a PowerNV bridge, distinguished by bit 59 of the bus address. */
export const MAX_WINDOWS = 2;

/** Where the windows begin: the kernel chooses, user space cannot. */
export const WINDOW_STARTS: readonly bigint[] = [0n, 1n << 59n];

/** What a bridge can do, as GET_INFO returns it. */
export interface BridgeInfo {
  /** Bytes of the default window, which begins at 0. */
  readonly dma32WindowSize: bigint;
  /** Mask of I/O page sizes. */
  readonly pageSizes: bigint;
  /** The most levels that a table may have; 1 on a pseries host under PowerVM. */
  readonly levels: number;
}

/** The bridge of the recordings: 2 GiB default window; 4 KiB, 64 KiB, 2 MiB and 1 GiB pages; 5 levels. */
export const POWERNV_BRIDGE: BridgeInfo = Object.freeze({
  dma32WindowSize: 0x8000_0000n,
  pageSizes: 0x4021_1000n,
  levels: MAX_LEVELS,
});

/** Devices that the bridge cannot distinguish, and the windows through which they see memory. */
export class IommuGroup {
  readonly number: number;
  readonly bridge: BridgeInfo;
  /** What the bridge freezes when one of the devices makes an error. */
  readonly endpoint: PartitionableEndpoint = new PartitionableEndpoint();
  /** The table behind each window. */
  readonly windows: (HardwareTable | null)[] = new Array<null>(MAX_WINDOWS).fill(null);

  constructor(number: number, bridge: BridgeInfo) {
    this.number = number;
    this.bridge = bridge;
  }

  /**
   * Where an access of a device goes, or null if the bridge refuses it.
   *
   * @param needed TCE_READ for a device that reads memory, TCE_WRITE for one that writes
   */
  translate(iova: bigint, needed: number): number | null {
    if (iova >> 60n !== 0n) return null;
    const table = this.windows[Number(iova >> 59n)]!;
    const target = table === null ? null : table.translate(iova & (WINDOW_STARTS[1]! - 1n));
    return target === null || (target.permission & needed) !== needed ? null : target.physical;
  }
}
