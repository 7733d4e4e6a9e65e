import { IommuError } from "../../base/errors.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { openInput, untilTruncated } from "../../formats/input/opened-input.ts";
import { addDmaRow, DMA_COLUMNS } from "../../formats/table/dma-rows.ts";
import { addEventRow, EVENT_COLUMNS } from "../../formats/table/event-rows.ts";
import type { Column, RowBuffer } from "../../formats/table/row-buffer.ts";
import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { detectTraceFormat, HEAD_BYTES, traceReader } from "../../formats/trace/trace-formats.ts";
import type { TraceFormat, TraceReader } from "../../formats/trace/trace-reader.ts";
import { filterOf } from "../filter/filters.ts";
import { DmaLifetimeTracker } from "../lifetimes/linux-lifetimes.ts";
import { DMA_MAPPING_COLUMNS, DmaMappingRows } from "../lifetimes/linux-rows.ts";
import { DmaTimeline } from "../lifetimes/linux-timeline.ts";
import { LifetimeTracker } from "../lifetimes/qemu-lifetimes.ts";
import { MAPPING_COLUMNS, MappingRows } from "../lifetimes/qemu-rows.ts";
import { Timeline } from "../lifetimes/qemu-timeline.ts";
import { type FilterOptions, nameOf, type ReadInputOptions, truncation } from "./input-options.ts";

/**
 * What became of a trace that was written in another form.
 *
 * @public
 */
export interface ConversionSummary {
  readonly format: TraceFormat;
  /** What was read (`events`) and left out, by the names of the reader of the format. */
  readonly counts: Readonly<Record<string, number>>;
  /** Events that the filter took, with those that say that others are missing. */
  readonly taken: number;
}

/**
 * What a trace becomes: a row for each event, a row for each mapping with its end, or a timeline.
 *
 * @public
 */
export type Product = "events" | "mappings" | "timeline";

/** Where it goes; one of the two is asked for, once. */
interface Destination {
  /** Opens a table. */
  rows(columns: readonly Column[]): RowBuffer;
  /** Opens a timeline; what it returns takes the bytes. */
  bytes(): (bytes: Uint8Array) => void;
}

/**
 * How a trace is converted.
 *
 * @public
 */
export type ConversionOptions = ReadInputOptions & FilterOptions;

interface Consumer<Event> {
  handle(event: Event): void;
  end(): void;
}

/**
 * Makes `product` of a trace, piece by piece: each step has read some more of it.
 *
 * @returns what became of it
 * @throws IommuError UNSUPPORTED if the input is no trace
 */
export async function* convert(
  input: InputData,
  product: Product,
  to: Destination,
  options: ConversionOptions,
): AsyncGenerator<void, ConversionSummary> {
  const filter = filterOf(options.filter ?? []);
  const { format, chunks } = await openTrace(input, nameOf(options));
  try {
    let taken = 0;
    const take = <Event>(consumer: Consumer<Event>, event: Event): void => {
      taken++;
      consumer.handle(event);
    };
    // What is missing is counted by the reader.
    const reader: TraceReader = traceReader(format, {
      qemu: (event) => {
        if (filter === undefined || filter.qemu(event)) take(consumer as Consumer<QemuTraceEvent>, event);
      },
      linux: (event, names) => {
        if (filter === undefined || filter.linux(event, names))
          take(consumer as Consumer<LinuxDmaEvent>, event);
      },
      gap: () => {},
    });
    const consumer =
      format === "linux-dma"
        ? dmaConsumer(product, to, reader.names)
        : traceConsumer(product, to, format === "qemu-simple");
    const truncated = truncation(options);
    for await (const chunk of untilTruncated(chunks, truncated)) {
      reader.push(chunk);
      yield;
    }
    reader.end();
    consumer.end();
    return { format, counts: { ...reader.counts }, taken };
  } finally {
    await chunks.return(undefined);
  }
}

/** Opens a trace of any format. */
async function openTrace(
  input: InputData,
  name: string,
): Promise<{ format: TraceFormat; chunks: AsyncGenerator<Uint8Array> }> {
  const { head, chunks } = await openInput(input, name, HEAD_BYTES);
  const format = detectTraceFormat(head);
  if (format !== undefined) return { format, chunks };
  await chunks.return(undefined);
  const why =
    head.length === 0
      ? "is empty"
      : "is no trace: none of its first 64 KiB reads as QEMU's log or simple format, or as Linux' dma events";
  throw new IommuError("UNSUPPORTED", `${name}: ${why}`, { path: name });
}

function traceConsumer(product: Product, to: Destination, isBinary: boolean): Consumer<QemuTraceEvent> {
  if (product === "timeline") return new Timeline(to.bytes());
  if (product === "events") {
    const rows = to.rows(EVENT_COLUMNS);
    return { handle: (event) => addEventRow(rows, event, isBinary), end: () => rows.finish() };
  }
  const rows = to.rows(MAPPING_COLUMNS);
  return thenFinish(new LifetimeTracker(new MappingRows(rows)), rows);
}

function dmaConsumer(product: Product, to: Destination, names: DmaNames): Consumer<LinuxDmaEvent> {
  if (product === "timeline") return new DmaTimeline(to.bytes(), names);
  if (product === "events") {
    const rows = to.rows(DMA_COLUMNS);
    return { handle: (event) => addDmaRow(rows, event, names), end: () => rows.finish() };
  }
  const rows = to.rows(DMA_MAPPING_COLUMNS);
  return thenFinish(new DmaLifetimeTracker(new DmaMappingRows(rows), names), rows);
}

function thenFinish<Event>(tracker: Consumer<Event>, rows: RowBuffer): Consumer<Event> {
  return {
    handle: (event) => tracker.handle(event),
    end: () => {
      tracker.end();
      rows.finish();
    },
  };
}
