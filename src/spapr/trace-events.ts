/**
 * QEMU's `spapr_iommu_*` trace events, as data and as the exact text of its log.
 *
 * @module
 */

/**
 * An event with its arguments, named as QEMU prints it.
 *
 * @public
 */
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
      readonly list: bigint;
      /** Number of the last entry stored (0 if none was). */
      readonly last: bigint;
      /** The last entry read. */
      readonly tce: bigint;
      readonly ret: number;
    }
  | {
      readonly name: "spapr_iommu_stuff" | "spapr_iommu_pci_stuff";
      readonly liobn: bigint;
      /** After the last page stored. */
      readonly ioba: bigint;
      readonly tce: bigint;
      readonly pages: bigint;
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
      readonly entries: number;
      readonly busOffset: bigint;
      readonly pageShift: number;
    }
  | {
      readonly name: "spapr_iommu_post_load";
      readonly liobn: bigint;
      readonly entries: number;
      readonly newEntries: number;
      readonly busOffset: bigint;
      readonly pageShift: number;
    }
  | {
      readonly name: "spapr_iommu_ddw_query";
      readonly buid: bigint;
      readonly configAddress: number;
      readonly available: number;
      readonly windowSize: bigint;
      readonly pageSizes: number;
    }
  | {
      readonly name: "spapr_iommu_ddw_create";
      readonly buid: bigint;
      readonly configAddress: number;
      readonly pageSize: bigint;
      readonly windowSize: bigint;
      readonly busOffset: bigint;
      readonly liobn: number;
    }
  | { readonly name: "spapr_iommu_ddw_remove"; readonly liobn: number }
  | { readonly name: "spapr_iommu_ddw_reset"; readonly buid: bigint; readonly configAddress: number };

/** The start of every name. */
export const TRACE_PREFIX = "spapr_iommu_";

const PUT = "liobn=0x{liobn:x64} ioba=0x{ioba:x64} tce=0x{tce:x64} ret={ret:d64}";
const GET = "liobn=0x{liobn:x64} ioba=0x{ioba:x64} ret={ret:d64} tce=0x{tce:x64}";
const INDIRECT =
  "liobn=0x{liobn:x64} ioba=0x{ioba:x64} tcelist=0x{list:x64} iobaN=0x{last:x64} tceN=0x{tce:x64} ret={ret:d64}";
const STUFF = "liobn=0x{liobn:x64} ioba=0x{ioba:x64} tcevalue=0x{tce:x64} npages={pages:d64} ret={ret:d64}";

/**
 * The text of each event in QEMU's log, and at once the order of its arguments
 * in a simple trace. An argument is `{name:type}`: unsigned hexadecimal (x64,
 * x32) or decimal (u32), signed decimal (d64, d32), pointer (p).
 */
export const TRACE_TEXTS: Readonly<Record<TraceEvent["name"], string>> = {
  spapr_iommu_put: PUT,
  spapr_iommu_pci_put: PUT,
  spapr_iommu_get: GET,
  spapr_iommu_pci_get: GET,
  spapr_iommu_indirect: INDIRECT,
  spapr_iommu_pci_indirect: INDIRECT,
  spapr_iommu_stuff: STUFF,
  spapr_iommu_pci_stuff: STUFF,
  spapr_iommu_xlate: "liobn=0x{liobn:x64} 0x{ioba:x64} -> 0x{tce:x64} perm={perm:u32} mask=0x{mask:x32}",
  spapr_iommu_new_table: "liobn=0x{liobn:x64} table={table:p} fd={fd:d32}",
  spapr_iommu_pre_save: "liobn={liobn:x64} {entries:x32} bus_offset=0x{busOffset:x64} ps={pageShift:u32}",
  spapr_iommu_post_load:
    "liobn={liobn:x64} {entries:x32} => 0x{newEntries:x32} bus_offset=0x{busOffset:x64} ps={pageShift:u32}",
  spapr_iommu_ddw_query:
    "buid=0x{buid:x64} addr=0x{configAddress:x32}, {available:u32} windows available, max window size=0x{windowSize:x64}, mask=0x{pageSizes:x32}",
  spapr_iommu_ddw_create:
    "buid=0x{buid:x64} addr=0x{configAddress:x32}, page size=0x{pageSize:x64}, requested=0x{windowSize:x64}, start addr=0x{busOffset:x64}, liobn=0x{liobn:x32}",
  spapr_iommu_ddw_remove: "liobn=0x{liobn:x32}",
  spapr_iommu_ddw_reset: "buid=0x{buid:x64} addr=0x{configAddress:x32}",
};

/**
 * The event as a line of QEMU's log (without the end of the line).
 *
 * @public
 */
export function formatTraceEvent(event: TraceEvent): string {
  const values = event as unknown as Readonly<Record<string, bigint | number>>;
  let text: string = event.name;
  for (const { before, name, type } of PIECES[event.name])
    text += before + formatArgument(values[name]!, type);
  return text;
}

/** An argument, and the text before it; all texts end with an argument. */
interface Piece {
  readonly before: string;
  readonly name: string;
  readonly type: string;
}

const PIECES = Object.fromEntries(
  Object.entries(TRACE_TEXTS).map(([event, text]) => [
    event,
    [...` ${text}`.matchAll(/([^{]*)\{(\w+):(\w+)\}/g)].map(
      ([, before, name, type]): Piece => ({ before: before!, name: name!, type: type! }),
    ),
  ]),
) as unknown as Readonly<Record<TraceEvent["name"], readonly Piece[]>>;

function formatArgument(value: bigint | number, type: string): string {
  if (type === "p") return value === 0n ? "(nil)" : `0x${value.toString(16)}`;
  if (type === "x64" || type === "x32") return value.toString(16);
  return type === "d64" ? BigInt.asIntN(64, BigInt(value)).toString() : value.toString();
}
