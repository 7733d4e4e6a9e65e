import { IommuError } from "../../base/errors.ts";
import {
  ARGUMENTS,
  type ArgumentName,
  DDW_CREATE,
  DDW_QUERY,
  DDW_REMOVE,
  DDW_RESET,
  GET,
  INDIRECT,
  NEW_TABLE,
  POST_LOAD,
  PRE_SAVE,
  PUT,
  STUFF,
  XLATE,
} from "./trace-event.ts";

/**
 * How QEMU writes each `spapr_iommu_*` event, in one table for both of its
 * trace backends: `log` writes the text, `simple` the arguments in the same
 * order.
 *
 * @module
 */

/** The start of every name. */
export const EVENT_PREFIX = "spapr_iommu_";

/**
 * Types of arguments: how the log prints them. `simple` writes each as 64 bits.
 * Unsigned in hexadecimal or decimal, signed decimal, pointer (`0x..` or `(nil)`).
 */
export const X64 = 0;
export const X32 = 1;
export const U32 = 2;
export const D64 = 3;
export const D32 = 4;
export const POINTER = 5;
const TYPES = ["x64", "x32", "u32", "d64", "d32", "p"];

/** One argument of an event. */
export interface TraceField {
  readonly name: ArgumentName;
  /** {@link X64} to {@link POINTER}. */
  readonly type: number;
  /** Place of its high half in the words of a `TraceEvent`. */
  readonly word: number;
  /** The text before it. */
  readonly before: string;
}

/** One `spapr_iommu_*` event: its name and its arguments in order. */
export interface TraceSchema {
  readonly kind: number;
  readonly pci: boolean;
  /** The whole name, `spapr_iommu_pci_put`. */
  readonly name: string;
  readonly fields: readonly TraceField[];
  /** The text after the last argument. */
  readonly after: string;
}

const CALLS: [number, string, string][] = [
  [PUT, "put", "liobn=0x{liobn:x64} ioba=0x{ioba:x64} tce=0x{tce:x64} ret={ret:d64}"],
  [GET, "get", "liobn=0x{liobn:x64} ioba=0x{ioba:x64} ret={ret:d64} tce=0x{tce:x64}"],
  [
    INDIRECT,
    "indirect",
    "liobn=0x{liobn:x64} ioba=0x{ioba:x64} tcelist=0x{list:x64} iobaN=0x{last:x64} tceN=0x{tce:x64} ret={ret:d64}",
  ],
  [
    STUFF,
    "stuff",
    "liobn=0x{liobn:x64} ioba=0x{ioba:x64} tcevalue=0x{tce:x64} npages={pages:d64} ret={ret:d64}",
  ],
];

const OTHERS: [number, string, string][] = [
  [XLATE, "xlate", "liobn=0x{liobn:x64} 0x{ioba:x64} -> 0x{tce:x64} perm={perm:u32} mask=0x{mask:x32}"],
  [NEW_TABLE, "new_table", "liobn=0x{liobn:x64} table={table:p} fd={fd:d32}"],
  [PRE_SAVE, "pre_save", "liobn={liobn:x64} {entries:x32} bus_offset=0x{busOffset:x64} ps={pageShift:u32}"],
  [
    POST_LOAD,
    "post_load",
    "liobn={liobn:x64} {entries:x32} => 0x{newEntries:x32} bus_offset=0x{busOffset:x64} ps={pageShift:u32}",
  ],
  [
    DDW_QUERY,
    "ddw_query",
    "buid=0x{buid:x64} addr=0x{configAddress:x32}, {available:u32} windows available, max window size=0x{windowSize:x64}, mask=0x{pageSizes:x32}",
  ],
  [
    DDW_CREATE,
    "ddw_create",
    "buid=0x{buid:x64} addr=0x{configAddress:x32}, page size=0x{pageSize:x64}, requested=0x{windowSize:x64}, start addr=0x{busOffset:x64}, liobn=0x{liobn:x32}",
  ],
  [DDW_REMOVE, "ddw_remove", "liobn=0x{liobn:x32}"],
  [DDW_RESET, "ddw_reset", "buid=0x{buid:x64} addr=0x{configAddress:x32}"],
];

/** Every event; the `pci_` variants print as the others do. */
export const SCHEMAS: readonly TraceSchema[] = [
  ...CALLS.map(([kind, name, text]) => schemaOf(kind, true, `pci_${name}`, text)),
  ...CALLS.map(([kind, name, text]) => schemaOf(kind, false, name, text)),
  ...OTHERS.map(([kind, name, text]) => schemaOf(kind, false, name, text)),
];

/** The schema of an event. */
export function findSchema(kind: number, pci: boolean): TraceSchema {
  const schema = SCHEMAS.find((one) => one.kind === kind && one.pci === pci);
  if (schema === undefined) {
    throw new IommuError("BAD_ARGUMENT", `no trace event has kind ${kind}${pci ? " and is of a PHB" : ""}`, {
      kind,
    });
  }
  return schema;
}

/** `put`, `ddw_remove`: what an event is called without what all of its kin begin with. */
export const eventWord = (kind: number): string => findSchema(kind, false).name.slice(EVENT_PREFIX.length);

function schemaOf(kind: number, pci: boolean, name: string, text: string): TraceSchema {
  const fields: TraceField[] = [];
  let before = " ";
  for (const part of text.split("}")) {
    const [literal, field] = part.split("{") as [string, string | undefined];
    before += literal;
    if (field === undefined) break;
    const [argument, type] = field.split(":") as [ArgumentName, string];
    fields.push({ name: argument, type: TYPES.indexOf(type), word: ARGUMENTS.indexOf(argument) * 2, before });
    before = "";
  }
  return { kind, pci, name: EVENT_PREFIX + name, fields, after: before };
}
