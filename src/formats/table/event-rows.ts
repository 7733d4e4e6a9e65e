import { ARGUMENTS, type ArgumentName, type QemuTraceEvent } from "../trace/trace-event.ts";
import { findSchema } from "../trace/trace-schema.ts";
import type { Column, ColumnType, RowBuffer } from "./row-buffer.ts";

/** Columns of the arguments, by the names that QEMU's own lines use where they have any. */
const ARGUMENT_COLUMNS: Readonly<Record<ArgumentName, readonly [name: string, type: ColumnType]>> = {
  liobn: ["liobn", "address"],
  ioba: ["ioba", "address"],
  tce: ["tce", "address"],
  ret: ["ret", "integer"],
  list: ["tcelist", "address"],
  last: ["last_index", "integer"],
  pages: ["npages", "integer"],
  perm: ["perm", "integer"],
  mask: ["mask", "address"],
  table: ["table_pointer", "address"],
  fd: ["fd", "integer"],
  entries: ["entries", "integer"],
  newEntries: ["new_entries", "integer"],
  busOffset: ["bus_offset", "address"],
  pageShift: ["page_shift", "integer"],
  buid: ["buid", "address"],
  configAddress: ["config_address", "address"],
  available: ["windows_available", "integer"],
  windowSize: ["window_size", "address"],
  pageSizes: ["page_sizes", "address"],
  pageSize: ["page_size", "address"],
};

const EVENT = 0;
const LINE = 1;
const OFFSET = 2;
const TIME = 3;
const THREAD = 4;
const NAME = 5;
const FIRST_ARGUMENT = 6;

/**
 * Columns of a table of `spapr_iommu_*` events, one event a row.
 *
 * @public
 */
export const EVENT_COLUMNS: readonly Column[] = [
  { name: "event", type: "integer" },
  { name: "line", type: "integer" },
  { name: "offset", type: "integer" },
  { name: "time_ns", type: "time" },
  { name: "thread", type: "integer" },
  { name: "name", type: "text" },
  ...ARGUMENTS.map((argument): Column => {
    const [name, type] = ARGUMENT_COLUMNS[argument];
    return { name, type };
  }),
];

/** The arguments that are signed numbers of 32 bits in the trace. */
const SIGNED_32: readonly ArgumentName[] = ["fd"];

/** Adds a row for an event. @param binary is its position an offset, and not a line? */
export function addEventRow(rows: RowBuffer, event: QemuTraceEvent, binary: boolean): void {
  const schema = findSchema(event.kind, event.pci);
  rows.setInteger(EVENT, event.number);
  rows.setInteger(binary ? OFFSET : LINE, event.position);
  rows.setTime(TIME, event.seconds, event.nanoseconds);
  if (!Number.isNaN(event.thread)) rows.setInteger(THREAD, event.thread);
  rows.setText(NAME, schema.name);
  for (const { name, word } of schema.fields) {
    const lo = event.words[word + 1]!;
    const hi = SIGNED_32.includes(name) ? lo >> 31 : event.words[word]!;
    rows.setHalves(FIRST_ARGUMENT + word / 2, hi, lo);
  }
  rows.endRow();
}
