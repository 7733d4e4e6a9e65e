import { hex64 } from "../base/u64.ts";

/**
 * Why bytes of a DMA were not transferred.
 *
 * @public
 */
export type DmaFaultReason =
  /** No region answers at the address. */
  | "outside"
  /** The IOMMU has no permission at all for the page. */
  | "unmapped"
  /** A write to a page that may be read only. */
  | "read-only"
  /** A read from a page that may be written only. */
  | "write-only"
  /** The IOMMU translates, but nothing is at the target. */
  | "no-memory";

/**
 * Who tried what, where it ended, and why.
 *
 * @public
 */
export interface DmaFault {
  readonly who: string;
  readonly addressSpace: string;
  readonly write: boolean;
  /** First bus address that was refused. */
  readonly iova: bigint;
  readonly bytes: number;
  readonly reason: DmaFaultReason;
  /** The region that refused, if there is one. */
  readonly region: string | undefined;
  /**
   * As QEMU logs it: the offset inside of the IOMMU region if the permission
   * was missing, the translated address if nothing is there, else the bus address.
   */
  readonly address: bigint;
}

/**
 * `e1000: read of 16 bytes at 0x...: unmapped in tce-iommu-80000000 (0x...)`.
 *
 * @public
 */
export const formatFault = (fault: DmaFault): string =>
  `${fault.who}: ${fault.write ? "write" : "read"} of ${fault.bytes} bytes at ${hex64(fault.iova)}: ${fault.reason}${
    fault.region === undefined ? "" : ` in ${fault.region}`
  } (${hex64(fault.address)})`;
