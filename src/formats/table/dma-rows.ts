import { hex, toBig } from "../../base/u64.ts";
import {
  ATTRIBUTE_BITS,
  DIRECTION_NAMES,
  type DmaNames,
  type HalvesList,
  type LinuxDmaEvent,
  NO_DIRECTION,
} from "../trace/dma-event.ts";
import { DMA_EVENT_NAMES, DMA_LOST, kindsPrinting } from "../trace/dma-kinds.ts";
import type { Column, RowBuffer } from "./row-buffer.ts";

const EVENT = 0;
const LINE = 1;
const TIME = 2;
const CPU = 3;
const PID = 4;
const TASK = 5;
const NAME = 6;
const DEVICE = 7;
const DIRECTION = 8;
const DMA_ADDRESS = 9;
const SIZE = 10;
const PHYS_ADDRESS = 11;
const ATTRIBUTES = 12;
const FAILED = 13;
const ERROR = 14;
const ENTRIES = 15;
const RANGES = 16;
const TRUNCATED = 17;
const DMA_ADDRESSES = 18;
const SIZES = 19;
const PHYS_ADDRESSES = 20;

/**
 * Columns of a table of Linux' `dma:*` events, one event a row. Lists are words of hexadecimal digits.
 *
 * @public
 */
export const DMA_COLUMNS: readonly Column[] = [
  { name: "event", type: "integer" },
  { name: "line", type: "integer" },
  { name: "time_ns", type: "time" },
  { name: "cpu", type: "integer" },
  { name: "pid", type: "integer" },
  { name: "task", type: "text" },
  { name: "name", type: "text" },
  { name: "device", type: "text" },
  { name: "direction", type: "text" },
  { name: "dma_addr", type: "address" },
  { name: "size", type: "integer" },
  { name: "phys_addr", type: "address" },
  { name: "attributes", type: "text" },
  { name: "failed", type: "boolean" },
  { name: "error", type: "integer" },
  { name: "entries", type: "integer" },
  { name: "ranges", type: "integer" },
  { name: "truncated", type: "boolean" },
  { name: "dma_addrs", type: "text" },
  { name: "sizes", type: "text" },
  { name: "phys_addrs", type: "text" },
];

const HAS_ADDRESS = kindsPrinting("dmaAddress");
const HAS_PHYS_ADDRESS = kindsPrinting("physAddress");

/** Name of the rows that say that events of a CPU are missing; `size` is how many, 0 when that is not known. */
export const LOST_NAME = "lost";

/** Adds a row for an event of `reader`. */
export function addDmaRow(rows: RowBuffer, event: LinuxDmaEvent, reader: DmaNames): void {
  const { kind } = event;
  rows.setInteger(EVENT, event.number);
  rows.setInteger(LINE, event.line);
  rows.setTime(TIME, event.seconds, event.nanoseconds);
  if (event.cpu >= 0) rows.setInteger(CPU, event.cpu);
  if (event.pid >= 0) rows.setInteger(PID, event.pid);
  if (event.task >= 0) rows.setText(TASK, reader.tasks.names[event.task]!);
  if (event.device >= 0) rows.setText(DEVICE, reader.devices.names[event.device]!);
  rows.setText(NAME, kind === DMA_LOST ? LOST_NAME : DMA_EVENT_NAMES[kind]!);
  if (kind === DMA_LOST) rows.setInteger(SIZE, event.size);
  else addArguments(rows, event);
  rows.endRow();
}

function addArguments(rows: RowBuffer, event: LinuxDmaEvent): void {
  if (event.direction !== NO_DIRECTION) rows.setText(DIRECTION, DIRECTION_NAMES[event.direction]!);
  if (HAS_ADDRESS[event.kind]!) {
    rows.setHalves(DMA_ADDRESS, event.dmaHi, event.dmaLo);
    rows.setInteger(SIZE, event.size);
  }
  if (HAS_PHYS_ADDRESS[event.kind]!) rows.setHalves(PHYS_ADDRESS, event.physHi, event.physLo);
  const attributes = attributeNames(event);
  if (attributes !== "") rows.setText(ATTRIBUTES, attributes);
  rows.setBoolean(FAILED, event.failed);
  if (event.error !== 0) rows.setInteger(ERROR, event.error);
  if (event.totalEntries === 0 && event.totalRanges === 0) return;
  rows.setInteger(ENTRIES, event.totalEntries);
  rows.setInteger(RANGES, event.totalRanges);
  rows.setBoolean(TRUNCATED, event.truncated);
  setList(rows, DMA_ADDRESSES, event.ranges);
  setList(rows, SIZES, event.rangeSizes);
  setList(rows, PHYS_ADDRESSES, event.entries);
}

/** `NO_WARN|MMIO`, as the kernel writes it; bits without a name as a number. */
function attributeNames({ attributes: bits, otherAttributes: others }: LinuxDmaEvent): string {
  if (bits === 0) return others;
  const known = Object.entries(ATTRIBUTE_BITS).filter(([, bit]) => (bits & bit) !== 0);
  const rest = known.reduce((left, [, bit]) => left & ~bit, bits) >>> 0;
  return [
    ...known.map(([name]) => name),
    ...(others === "" ? [] : [others]),
    ...(rest === 0 ? [] : [hex(rest)]),
  ].join("|");
}

function setList(rows: RowBuffer, column: number, { words, length }: HalvesList): void {
  if (length === 0) return;
  const parts: string[] = [];
  for (let i = 0; i < length; i++) parts.push(hex(toBig(words[i * 2]!, words[i * 2 + 1]!)));
  rows.setText(column, parts.join(" "));
}
