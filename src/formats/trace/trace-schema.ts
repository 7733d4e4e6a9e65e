import { IommuError } from "../../base/errors.ts";
import { TRACE_PREFIX, TRACE_TEXTS } from "../../spapr/trace-events.ts";
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
  type QemuTraceEvent,
  STUFF,
  XLATE,
} from "./trace-event.ts";

/**
 * How QEMU's trace backends write each `spapr_iommu_*` event: `log` writes the
 * text, `simple` the arguments in the same order.
 *
 * @module
 */

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

/** Kinds by name. */
const KINDS: Readonly<Record<string, number>> = {
  put: PUT,
  get: GET,
  indirect: INDIRECT,
  stuff: STUFF,
  xlate: XLATE,
  new_table: NEW_TABLE,
  pre_save: PRE_SAVE,
  post_load: POST_LOAD,
  ddw_query: DDW_QUERY,
  ddw_create: DDW_CREATE,
  ddw_remove: DDW_REMOVE,
  ddw_reset: DDW_RESET,
};

/** Every event; the `pci_` variants print as the others do. */
export const SCHEMAS: readonly TraceSchema[] = Object.entries(TRACE_TEXTS).map(([name, text]) => {
  const plain = name.slice(TRACE_PREFIX.length);
  const pci = plain.startsWith("pci_");
  return schemaOf(KINDS[pci ? plain.slice("pci_".length) : plain]!, pci, name, text);
});

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

/**
 * The name of an event as QEMU prints it, `spapr_iommu_pci_put`.
 *
 * @public
 */
export const traceEventName = ({ kind, pci }: QemuTraceEvent): string => findSchema(kind, pci).name;

/** `put`, `ddw_remove`: what an event is called without what all of its kin begin with. */
export const eventWord = (kind: number): string => findSchema(kind, false).name.slice(TRACE_PREFIX.length);

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
  return { kind, pci, name, fields, after: before };
}
