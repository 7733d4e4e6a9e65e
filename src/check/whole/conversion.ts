import type { InputData } from "../../formats/input/input-data.ts";
import { openInput } from "../../formats/input/opened-input.ts";
import { traceSteps } from "../../formats/recording/read-trace.ts";
import { addDmaRow, DMA_COLUMNS } from "../../formats/table/dma-rows.ts";
import { addEventRow, EVENT_COLUMNS } from "../../formats/table/event-rows.ts";
import type { Column, RowBuffer } from "../../formats/table/row-buffer.ts";
import { type DmaNames, type LinuxDmaEvent, NO_NAMES } from "../../formats/trace/dma-event.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { TraceFormat } from "../../formats/trace/trace-reader.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { filterOf } from "../filter/filters.ts";
import { DmaLifetimeTracker } from "../lifetimes/linux-lifetimes.ts";
import { DMA_MAPPING_COLUMNS, DmaMappingRows } from "../lifetimes/linux-rows.ts";
import { DmaStackCounts, needStacks, type StackWeight } from "../lifetimes/linux-stacks.ts";
import { DmaTimeline } from "../lifetimes/linux-timeline.ts";
import { LifetimeTracker } from "../lifetimes/qemu-lifetimes.ts";
import { MAPPING_COLUMNS, MappingRows } from "../lifetimes/qemu-rows.ts";
import { Timeline } from "../lifetimes/qemu-timeline.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import { HEAD_BYTES } from "./input-kind.ts";
import {
  type FilterOptions,
  nameOf,
  type ReadInputOptions,
  tellGap,
  tellLoss,
  toldOnce,
  traceOptions,
  type WindowsOptions,
} from "./input-options.ts";

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
 * What a trace becomes: a row for each event, a row for each mapping with its end, a timeline, or folded call stacks.
 *
 * @public
 */
export type Product = "events" | "mappings" | "timeline" | "folded-stacks";

/** Where it goes; one of the two is asked for, once. */
interface Destination {
  /** Opens a table. */
  rows(columns: readonly Column[]): RowBuffer;
  /** Opens a file; what it returns takes the bytes. */
  bytes(): (bytes: Uint8Array) => void;
}

/**
 * How a trace is converted.
 *
 * @public
 */
export interface ConversionOptions extends ReadInputOptions, FilterOptions, WindowsOptions {
  /** Of folded stacks: what they weigh; default: the calls that were made there. */
  readonly weight?: StackWeight | undefined;
}

interface Consumer<Event> {
  handle(event: Event): void;
  end(): void;
}

/**
 * Makes `product` of a trace, piece by piece: each step has read some more of it.
 *
 * @returns what became of it
 * @throws IommuError UNSUPPORTED if the input is no trace, or has no call stacks and these are wanted
 */
export async function* convert(
  input: InputData,
  product: Product,
  to: Destination,
  options: ConversionOptions,
): AsyncGenerator<void, ConversionSummary> {
  const filter = filterOf(options.filter ?? []);
  const name = nameOf(options);
  let taken = 0;
  let trace: Consumer<QemuTraceEvent> | undefined;
  let dma: Consumer<LinuxDmaEvent> | undefined;
  const told = toldOnce(options);
  const source: TraceSource = new TraceSource(name, {
    qemu: (event) => {
      trace ??= traceConsumer(product, to, source.format === "qemu-simple", options);
      if (filter !== undefined && !filter.qemu(event)) return;
      taken++;
      trace.handle(event);
    },
    linux: (event, names) => {
      dma ??= dmaConsumer(product, to, names, options);
      tellLoss(told, event);
      if (filter !== undefined && !filter.linux(event, names)) return;
      taken++;
      dma.handle(event);
    },
    gap: (gap) => tellGap(told, gap),
  });
  const opened = await openInput(input, name, HEAD_BYTES);
  yield* traceSteps(opened, source, traceOptions(told));
  source.end();
  // A recording can be without events.
  (trace ?? dma ?? dmaConsumer(product, to, NO_NAMES, options)).end();
  return { format: source.format!, counts: source.counts, taken };
}

function traceConsumer(
  product: Product,
  to: Destination,
  isBinary: boolean,
  options: ConversionOptions,
): Consumer<QemuTraceEvent> {
  if (product === "folded-stacks") needStacks(nameOf(options), undefined);
  const rebuild = new Rebuild(undefined, null, options.windows);
  if (product === "timeline") return new Timeline(to.bytes(), rebuild);
  if (product === "events") {
    const rows = to.rows(EVENT_COLUMNS);
    return { handle: (event) => addEventRow(rows, event, isBinary), end: () => rows.finish() };
  }
  const rows = to.rows(MAPPING_COLUMNS);
  return thenFinish(new LifetimeTracker(new MappingRows(rows), rebuild), rows);
}

function dmaConsumer(
  product: Product,
  to: Destination,
  names: DmaNames,
  options: ConversionOptions,
): Consumer<LinuxDmaEvent> {
  if (product === "folded-stacks") return foldedStacks(to, names, options);
  if (product === "timeline") return new DmaTimeline(to.bytes(), names);
  if (product === "events") {
    const rows = to.rows(DMA_COLUMNS);
    return { handle: (event) => addDmaRow(rows, event, names), end: () => rows.finish() };
  }
  const rows = to.rows(DMA_MAPPING_COLUMNS);
  return thenFinish(new DmaLifetimeTracker(new DmaMappingRows(rows), names), rows);
}

/** Nothing is written before it is known that there are stacks. */
function foldedStacks(
  to: Destination,
  names: DmaNames,
  { weight = "events", ...options }: ConversionOptions,
): Consumer<LinuxDmaEvent> {
  const counts = new DmaStackCounts(names);
  return {
    handle: (event) => counts.handle(event),
    end: () => {
      needStacks(nameOf(options), names.stacks);
      counts.end();
      const write = to.bytes();
      const encoder = new TextEncoder();
      for (const line of counts.folded(weight)) write(encoder.encode(line));
    },
  };
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
