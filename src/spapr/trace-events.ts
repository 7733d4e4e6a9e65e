/**
 * QEMU's `spapr_iommu_*` trace events, as data and as the exact text of its log.
 *
 * @module
 */

/** The arguments of each event, in QEMU's order; unsigned 64-bit unless the text shows otherwise. */
export type TraceEvent =
  | {
      readonly name: "spapr_iommu_put" | "spapr_iommu_pci_put";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly tce: bigint;
      readonly ret: number;
    }
  | {
      readonly name: "spapr_iommu_get" | "spapr_iommu_pci_get";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly ret: number;
      readonly tce: bigint;
    }
  | {
      readonly name: "spapr_iommu_indirect" | "spapr_iommu_pci_indirect";
      readonly liobn: bigint;
      /** As the guest gave it, not rounded. */
      readonly ioba: bigint;
      /** Guest address of the list. */
      readonly tceList: bigint;
      /** Number of the last entry stored (0 if none was). */
      readonly iobaN: bigint;
      /** The last entry read. */
      readonly tceN: bigint;
      readonly ret: number;
    }
  | {
      readonly name: "spapr_iommu_stuff" | "spapr_iommu_pci_stuff";
      readonly liobn: bigint;
      /** Behind the last page stored. */
      readonly ioba: bigint;
      readonly tceValue: bigint;
      readonly npages: bigint;
      readonly ret: number;
    }
  | {
      readonly name: "spapr_iommu_xlate";
      readonly liobn: bigint;
      /** Relative to the window. */
      readonly ioba: bigint;
      /** The target page, without permission bits. */
      readonly tce: bigint;
      readonly perm: number;
      /** Page size minus 1, cut to 32 bits. */
      readonly mask: number;
    }
  | {
      readonly name: "spapr_iommu_new_table";
      readonly liobn: bigint;
      /** A number that stands for the address of the table; 0 for a table of no entries. */
      readonly table: bigint;
      readonly fd: number;
    }
  | {
      readonly name: "spapr_iommu_pre_save";
      readonly liobn: bigint;
      readonly nb: number;
      readonly busOffset: bigint;
      readonly pageShift: number;
    }
  | {
      readonly name: "spapr_iommu_post_load";
      readonly liobn: bigint;
      readonly preNb: number;
      readonly postNb: number;
      readonly busOffset: bigint;
      readonly pageShift: number;
    }
  | {
      readonly name: "spapr_iommu_ddw_query";
      readonly buid: bigint;
      readonly cfgAddr: number;
      readonly windowsAvailable: number;
      readonly maxWindowSize: bigint;
      readonly pageMask: number;
    }
  | {
      readonly name: "spapr_iommu_ddw_create";
      readonly buid: bigint;
      readonly cfgAddr: number;
      readonly pageSize: bigint;
      readonly requestedSize: bigint;
      readonly start: bigint;
      readonly liobn: number;
    }
  | { readonly name: "spapr_iommu_ddw_remove"; readonly liobn: number }
  | { readonly name: "spapr_iommu_ddw_reset"; readonly buid: bigint; readonly cfgAddr: number };

const x = (value: bigint | number): string => value.toString(16);
const pointer = (value: bigint): string => (value === 0n ? "(nil)" : `0x${x(value)}`);

/** The event as a line of QEMU's log (without the end of the line). */
export function formatTraceEvent(event: TraceEvent): string {
  return `${event.name} ${argumentsOf(event)}`;
}

function argumentsOf(event: TraceEvent): string {
  switch (event.name) {
    case "spapr_iommu_put":
    case "spapr_iommu_pci_put":
      return `liobn=0x${x(event.liobn)} ioba=0x${x(event.ioba)} tce=0x${x(event.tce)} ret=${event.ret}`;
    case "spapr_iommu_get":
    case "spapr_iommu_pci_get":
      return `liobn=0x${x(event.liobn)} ioba=0x${x(event.ioba)} ret=${event.ret} tce=0x${x(event.tce)}`;
    case "spapr_iommu_indirect":
    case "spapr_iommu_pci_indirect":
      return `liobn=0x${x(event.liobn)} ioba=0x${x(event.ioba)} tcelist=0x${x(event.tceList)} iobaN=0x${x(event.iobaN)} tceN=0x${x(event.tceN)} ret=${event.ret}`;
    case "spapr_iommu_stuff":
    case "spapr_iommu_pci_stuff":
      return `liobn=0x${x(event.liobn)} ioba=0x${x(event.ioba)} tcevalue=0x${x(event.tceValue)} npages=${BigInt.asIntN(64, event.npages)} ret=${event.ret}`;
    case "spapr_iommu_xlate":
      return `liobn=0x${x(event.liobn)} 0x${x(event.ioba)} -> 0x${x(event.tce)} perm=${event.perm} mask=0x${x(event.mask)}`;
    case "spapr_iommu_new_table":
      return `liobn=0x${x(event.liobn)} table=${pointer(event.table)} fd=${event.fd}`;
    case "spapr_iommu_pre_save":
      return `liobn=${x(event.liobn)} ${x(event.nb)} bus_offset=0x${x(event.busOffset)} ps=${event.pageShift}`;
    case "spapr_iommu_post_load":
      return `liobn=${x(event.liobn)} ${x(event.preNb)} => 0x${x(event.postNb)} bus_offset=0x${x(event.busOffset)} ps=${event.pageShift}`;
    case "spapr_iommu_ddw_query":
      return `buid=0x${x(event.buid)} addr=0x${x(event.cfgAddr)}, ${event.windowsAvailable} windows available, max window size=0x${x(event.maxWindowSize)}, mask=0x${x(event.pageMask)}`;
    case "spapr_iommu_ddw_create":
      return `buid=0x${x(event.buid)} addr=0x${x(event.cfgAddr)}, page size=0x${x(event.pageSize)}, requested=0x${x(event.requestedSize)}, start addr=0x${x(event.start)}, liobn=0x${x(event.liobn)}`;
    case "spapr_iommu_ddw_remove":
      return `liobn=0x${x(event.liobn)}`;
    case "spapr_iommu_ddw_reset":
      return `buid=0x${x(event.buid)} addr=0x${x(event.cfgAddr)}`;
  }
}
