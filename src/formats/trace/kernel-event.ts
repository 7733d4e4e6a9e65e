import { toBig } from "../../base/u64.ts";

/**
 * What Linux says of DMA besides its `dma:*` events: in other trace events, and in its log.
 *
 * @module
 */

/**
 * What a device wanted when it was refused.
 *
 * @public
 */
export type FaultAccess = "read" | "write" | "unknown";

/**
 * A range of an IOMMU's domain, `iommu:map` and `iommu:unmap`: a lower layer than the DMA API. There are as many of them
 * as of events, so that numbers are kept in halves.
 *
 * @public
 */
export class IommuRange {
  readonly type: "iommu-map" | "iommu-unmap";
  readonly iovaHi: number;
  readonly iovaLo: number;
  readonly sizeHi: number;
  readonly sizeLo: number;

  constructor(type: IommuRange["type"], iovaHi: number, iovaLo: number, sizeHi: number, sizeLo: number) {
    this.type = type;
    this.iovaHi = iovaHi;
    this.iovaLo = iovaLo;
    this.sizeHi = sizeHi;
    this.sizeLo = sizeLo;
  }

  get iova(): bigint {
    return toBig(this.iovaHi, this.iovaLo);
  }

  get size(): bigint {
    return toBig(this.sizeHi, this.sizeLo);
  }
}

/**
 * What a line says. A device is undefined where the line does not name one; addresses are of 64 bits.
 *
 * @public
 */
export type KernelStatement =
  /** An IOMMU refused an access: `iommu:io_page_fault`, AMD-Vi, DMAR, SMMU. */
  | {
      readonly type: "fault";
      readonly device: string | undefined;
      readonly address: bigint;
      readonly access: FaultAccess;
      /** The stream of an SMMUv3, where the line names no device: it is taken for that of a PCI function. */
      readonly stream?: number;
    }
  /** EEH stopped a partitionable endpoint of a bridge, which is a PCI domain. */
  | { readonly type: "frozen"; readonly domain: number; readonly endpoint: string }
  /** A buffer was copied into bounce memory: `swiotlb:swiotlb_bounced`. The mask is the device's. */
  | {
      readonly type: "bounced";
      readonly device: string;
      readonly mask: bigint;
      readonly physical: bigint;
      readonly size: number;
      readonly isForced: boolean;
    }
  /** Bounce memory has no room for so many bytes; slots are 0 where the line does not count them. */
  | {
      readonly type: "bounce-full";
      readonly device: string;
      readonly size: number;
      readonly slots: number;
      readonly used: number;
    }
  /** The pSeries allocator found no run of so many IOMMU pages. */
  | { readonly type: "alloc-failed"; readonly device: string | undefined; readonly pages: number }
  /** What a bridge offers (`ibm,query-pe-dma-windows`): page sizes, a bit for each, and how many windows; by its BUID. */
  | {
      readonly type: "windows-offered";
      readonly device: string;
      readonly bridge: bigint;
      readonly pageSizes: number;
      readonly windows: number;
    }
  /** The guest asked for a dynamic window (`ibm,create-pe-dma-window`): log2 of its page and of its size; -3 refuses it. */
  | {
      readonly type: "window-asked";
      readonly device: string;
      readonly bridge: bigint;
      readonly pageShift: number;
      readonly windowShift: number;
      readonly status: number;
      readonly busOffset: bigint;
    }
  /** What the guest does instead of asking for a window, or has of it; the limit is 0 where the line has none. */
  | {
      readonly type: "window-trouble";
      readonly device: string | undefined;
      readonly trouble: "unlimited" | "limited" | "offset" | "in-use" | "disabled";
      readonly limit: bigint;
    }
  | IommuRange
  /** A device got a domain: `iommu:attach_device_to_domain`. */
  | { readonly type: "attached"; readonly device: string }
  /** CONFIG_DMA_API_DEBUG: a driver went and left so many mappings. */
  | { readonly type: "pending"; readonly device: string; readonly count: number }
  /** CONFIG_DMA_API_DEBUG: any other verdict, in its words. */
  | {
      readonly type: "verdict";
      readonly device: string | undefined;
      readonly address: bigint | undefined;
      readonly text: string;
    };

/**
 * A statement, and where and when it was made.
 *
 * @public
 */
export interface KernelEvent {
  readonly what: KernelStatement;
  /** Line, from 1. */
  readonly line: number;
  /** `dma` events before it in the same text. */
  readonly number: number;
  /** Time, as of an event: seconds are NaN where the line has none. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Who ran, of trace events: number of the task's name, and process; -1 where the line does not tell. */
  readonly task: number;
  readonly pid: number;
}
