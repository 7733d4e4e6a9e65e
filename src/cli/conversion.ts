import { DmaLifetimeTracker } from "../check/lifetimes/linux-lifetimes.ts";
import { DMA_MAPPING_COLUMNS, DmaMappingRows } from "../check/lifetimes/linux-rows.ts";
import { DmaTimeline } from "../check/lifetimes/linux-timeline.ts";
import { LifetimeTracker } from "../check/lifetimes/qemu-lifetimes.ts";
import { MAPPING_COLUMNS, MappingRows } from "../check/lifetimes/qemu-rows.ts";
import { Timeline } from "../check/lifetimes/qemu-timeline.ts";
import type { EventFilter } from "../check/trace-check.ts";
import { addDmaRow, DMA_COLUMNS } from "../formats/table/dma-rows.ts";
import { addEventRow, EVENT_COLUMNS } from "../formats/table/event-rows.ts";
import type { Column, RowBuffer } from "../formats/table/row-buffer.ts";
import type { TraceFormat } from "../formats/trace/detect.ts";
import type { DmaEvent } from "../formats/trace/dma-event.ts";
import { DmaLogReader } from "../formats/trace/dma-log.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import { SimpleTraceReader } from "../formats/trace/simple-trace.ts";
import type { TraceEvent } from "../formats/trace/trace-event.ts";

/** What a trace becomes. */
export type Product = "events" | "mappings" | "timeline";

/** Where it goes; one of the two is asked for, once. */
export interface Destination {
  /** Opens a table. */
  rows(columns: readonly Column[]): RowBuffer;
  /** Takes the bytes of a timeline. */
  write(bytes: Uint8Array): void;
}

/** A reader of a trace at work. */
export interface Conversion {
  push(chunk: Uint8Array): void;
  /** Ends the trace and what it becomes. */
  end(): void;
  /** What was read and left out; see the readers. */
  counts(): Readonly<Record<string, number>>;
  /** Events that were taken, with those that say that others are missing. */
  taken(): number;
}

interface Consumer<Event> {
  handle(event: Event): void;
  end(): void;
}

/**
 * Starts to make `product` of a trace.
 *
 * @param filter takes events or leaves them out; without one all are taken
 */
export function startConversion(
  format: TraceFormat,
  product: Product,
  to: Destination,
  filter?: EventFilter,
): Conversion {
  let taken = 0;
  const take = <Event>(consumer: Consumer<Event>, event: Event): void => {
    taken++;
    consumer.handle(event);
  };
  if (format === "linux-dma") {
    const reader: DmaLogReader = new DmaLogReader((event) => {
      if (filter === undefined || filter.dma(event, reader)) take(consumer, event);
    });
    const consumer = dmaConsumer(product, to, reader);
    return conversionOf(reader, consumer, () => taken);
  }
  const isBinary = format === "qemu-simple";
  const consumer = traceConsumer(product, to, isBinary);
  const handle = (event: TraceEvent): void => {
    if (filter === undefined || filter.trace(event)) take(consumer, event);
  };
  const reader = isBinary ? new SimpleTraceReader(handle) : new QemuLogReader(handle);
  return conversionOf(reader, consumer, () => taken);
}

function conversionOf(
  reader: DmaLogReader | QemuLogReader | SimpleTraceReader,
  consumer: Consumer<never>,
  taken: () => number,
): Conversion {
  return {
    push: (chunk) => reader.push(chunk),
    end: () => {
      reader.end();
      consumer.end();
    },
    counts: () => ({ ...reader.counts }),
    taken,
  };
}

function traceConsumer(product: Product, to: Destination, isBinary: boolean): Consumer<TraceEvent> {
  if (product === "timeline") return new Timeline((bytes) => to.write(bytes));
  if (product === "events") {
    const rows = to.rows(EVENT_COLUMNS);
    return { handle: (event) => addEventRow(rows, event, isBinary), end: () => rows.finish() };
  }
  const rows = to.rows(MAPPING_COLUMNS);
  return thenFinish(new LifetimeTracker(new MappingRows(rows)), rows);
}

function dmaConsumer(product: Product, to: Destination, reader: DmaLogReader): Consumer<DmaEvent> {
  if (product === "timeline") return new DmaTimeline((bytes) => to.write(bytes), reader);
  if (product === "events") {
    const rows = to.rows(DMA_COLUMNS);
    return { handle: (event) => addDmaRow(rows, event, reader), end: () => rows.finish() };
  }
  const rows = to.rows(DMA_MAPPING_COLUMNS);
  return thenFinish(new DmaLifetimeTracker(new DmaMappingRows(rows), reader), rows);
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
