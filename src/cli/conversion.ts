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
import type { DmaNames, LinuxDmaEvent } from "../formats/trace/dma-event.ts";
import type { QemuTraceEvent } from "../formats/trace/trace-event.ts";
import type { TraceFormat } from "../formats/trace/trace-reader.ts";
import { TraceSource } from "../formats/trace/trace-source.ts";

/** What a trace becomes. */
export type Product = "events" | "mappings" | "timeline";

/** Where it goes; one of the two is asked for, once. */
export interface Destination {
  /** Opens a table. */
  rows(columns: readonly Column[]): RowBuffer;
  /** Takes the bytes of a timeline. */
  write(bytes: Uint8Array): void;
}

/** A trace that becomes something else. */
export interface Conversion {
  push(chunk: Uint8Array): void;
  /**
   * Ends the trace and what it becomes.
   *
   * @throws IommuError UNSUPPORTED if there was no event
   */
  end(): void;
  /** Format of the trace; to be asked after its end. */
  format(): TraceFormat;
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
 * @param name of the file, for messages
 * @param filter takes events or leaves them out; without one all are taken
 */
export function startConversion(
  name: string,
  product: Product,
  to: Destination,
  filter?: EventFilter,
): Conversion {
  let taken = 0;
  let trace: Consumer<QemuTraceEvent> | undefined;
  let dma: Consumer<LinuxDmaEvent> | undefined;
  const source: TraceSource = new TraceSource(name, {
    qemu: (event) => {
      trace ??= traceConsumer(product, to, source.format === "qemu-simple");
      if (filter !== undefined && !filter.qemu(event)) return;
      taken++;
      trace.handle(event);
    },
    linux: (event, names) => {
      dma ??= dmaConsumer(product, to, names);
      if (filter !== undefined && !filter.linux(event, names)) return;
      taken++;
      dma.handle(event);
    },
    // What is missing is counted by the reader.
    gap: () => {},
  });
  return {
    push: (chunk) => source.push(chunk),
    end: () => {
      source.end();
      (trace ?? dma)!.end();
    },
    format: () => source.format!,
    counts: () => source.counts,
    taken: () => taken,
  };
}

function traceConsumer(product: Product, to: Destination, isBinary: boolean): Consumer<QemuTraceEvent> {
  if (product === "timeline") return new Timeline((bytes) => to.write(bytes));
  if (product === "events") {
    const rows = to.rows(EVENT_COLUMNS);
    return { handle: (event) => addEventRow(rows, event, isBinary), end: () => rows.finish() };
  }
  const rows = to.rows(MAPPING_COLUMNS);
  return thenFinish(new LifetimeTracker(new MappingRows(rows)), rows);
}

function dmaConsumer(product: Product, to: Destination, names: DmaNames): Consumer<LinuxDmaEvent> {
  if (product === "timeline") return new DmaTimeline((bytes) => to.write(bytes), names);
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
