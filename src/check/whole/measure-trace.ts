import { hex } from "../../base/u64.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { openInput } from "../../formats/input/opened-input.ts";
import { readTrace } from "../../formats/recording/read-trace.ts";
import type { CallStacks } from "../../formats/trace/call-stacks.ts";
import { type Gap, losesEvents, type TraceFormat } from "../../formats/trace/trace-reader.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { filterOf } from "../filter/filters.ts";
import { DmaStackCounts, needStacks, type StackStatistics } from "../lifetimes/linux-stacks.ts";
import { type DmaGroupStatistics, DmaStatistics } from "../lifetimes/linux-statistics.ts";
import { TraceStatistics, type WindowStatistics } from "../lifetimes/qemu-statistics.ts";
import { HEAD_BYTES } from "./input-kind.ts";
import {
  type FilterOptions,
  nameOf,
  type ReadInputOptions,
  traceOptions,
  type WindowsOptions,
} from "./input-options.ts";

/**
 * How often, how much at once and for how long: what a trace has in numbers.
 *
 * @public
 */
export interface TraceMeasures {
  readonly file: string;
  readonly format: TraceFormat;
  readonly events: number;
  /** Seconds from the first to the last event; NaN without times. */
  readonly seconds: number;
  /** Of a trace of QEMU: by window. */
  readonly windows: readonly WindowStatistics[];
  /** Of a recording of Linux: by device and direction. */
  readonly devices: readonly DmaGroupStatistics[];
  /** Of a recording of Linux, if {@link MeasureOptions.by} asks for it: by call stack instead. */
  readonly stacks: readonly StackStatistics[];
  /** What is missing of the trace, and is not in the numbers. */
  readonly gaps: readonly Gap[];
  /** Places where the kernel lost events, which are in no number, either. */
  readonly lostPlaces: number;
}

/**
 * How a trace is counted.
 *
 * @public
 */
export interface MeasureOptions extends ReadInputOptions, FilterOptions, WindowsOptions {
  /** By window or device and direction (default), or by call stack. */
  readonly by?: "device" | "stack" | undefined;
}

/**
 * Counts what a trace does: rates, sizes of calls, runs, and lifetimes of mappings, as histograms.
 *
 * @param input its text or its bytes, packed or not; see {@link InputData}
 * @throws IommuError UNSUPPORTED if the input is no trace, or has no call stacks and is counted by these; BAD_ARGUMENT
 * for a filter with a mistake
 * @public
 */
export async function measureTrace(input: InputData, options: MeasureOptions = {}): Promise<TraceMeasures> {
  const file = nameOf(options);
  const filter = filterOf(options.filter ?? []);
  const gaps: Gap[] = [];
  const statistics = new TraceStatistics(options.windows);
  let dma: DmaStatistics | undefined;
  let counts: DmaStackCounts | undefined;
  let stacks: CallStacks | undefined;
  const source = new TraceSource(file, {
    qemu: (event) => {
      if (filter === undefined || filter.qemu(event)) statistics.handle(event);
    },
    linux: (event, names) => {
      dma ??= new DmaStatistics(names);
      stacks = names.stacks;
      if (options.by === "stack") counts ??= new DmaStackCounts(names);
      if (filter !== undefined && !filter.linux(event, names)) return;
      dma.handle(event);
      counts?.handle(event);
    },
    gap: (gap) => {
      if (losesEvents(gap)) statistics.lose();
      gaps.push(gap);
    },
  });
  const opened = await openInput(input, file, HEAD_BYTES);
  await readTrace(opened, source, traceOptions(options));
  source.end();
  if (options.by === "stack") needStacks(file, stacks);
  counts?.end();
  const { events, firstTime, lastTime } = dma ?? statistics;
  return {
    file,
    format: source.format!,
    events,
    seconds: lastTime - firstTime,
    windows: dma === undefined ? statistics.windows : [],
    devices: counts === undefined ? (dma?.groups ?? []) : [],
    stacks: counts?.rows ?? [],
    gaps,
    lostPlaces: source.counts.lostMarkers ?? 0,
  };
}

/**
 * The numbers in the shape of the JSON output of `stat`.
 *
 * @public
 */
export function measuresToJson(measures: TraceMeasures): Record<string, unknown> {
  const { file, format, events, seconds, windows, devices, stacks } = measures;
  return {
    file,
    events,
    seconds: Number.isNaN(seconds) ? null : seconds,
    eventsPerSecond: seconds > 0 ? events / seconds : null,
    ...(stacks.length > 0
      ? { stacks: stacks.map(stackToJson) }
      : format === "linux-dma"
        ? { devices: devices.map(deviceToJson) }
        : { windows: windows.map(windowStatisticsToJson) }),
  };
}

const windowStatisticsToJson = (window: WindowStatistics): Record<string, unknown> => ({
  liobn: hex(window.liobn),
  events: window.events,
  pagesMapped: window.pagesMapped,
  pagesUnmapped: window.pagesUnmapped,
  callPages: window.callPages.cells,
  runPages: window.runPages.cells,
  lifetimes: window.lifetimes.cells,
  phases: window.phases.map(({ seconds, ...phase }) => ({
    ...phase,
    seconds: Number.isNaN(seconds) ? null : Number(seconds.toFixed(9)),
  })),
});

const stackToJson = (row: StackStatistics): Record<string, unknown> => ({
  ...row,
  lifetimesNs: row.lifetimesNs.cells,
});

const deviceToJson = (group: DmaGroupStatistics): Record<string, unknown> => ({
  device: group.device,
  direction: group.direction,
  events: group.events,
  mapped: group.mapped,
  unmapped: group.unmapped,
  unknownUnmaps: group.unknownUnmaps,
  bytesMapped: group.bytesMapped,
  peakBytes: group.peakBytes,
  sizes: group.sizes.cells,
  runs: group.runs.cells,
  lifetimes: group.lifetimes.cells,
  lifetimesNs: group.lifetimesNs.cells,
});
