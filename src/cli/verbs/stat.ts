import { counted, formatCount } from "../../base/units.ts";
import { measuresToJson, measureTrace, type TraceMeasures } from "../../check/whole/measure-trace.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { Exit } from "../exit-status.ts";
import { withInput } from "../input.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import { ANY_INPUT, answerOptions, filterOption, quietOption, text, value, wholeNumber } from "../options.ts";
import { print, printWarning, toJson } from "../output.ts";
import {
  printDmaGroup,
  printDmaSummary,
  printStacks,
  printWindow,
  printWindowSummary,
} from "../stat-text.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface StatOptions extends AnswerOptions, MachineOptions {
  readonly filter: readonly string[];
  readonly by: "device" | "stack";
  readonly top: number;
  readonly quiet: boolean;
}

const WINDOW_COLUMNS = [
  "liobn",
  "events",
  "pagesMapped",
  "pagesUnmapped",
  "callPages",
  "runPages",
  "lifetimes",
  "phases",
];
const DEVICE_COLUMNS = [
  "device",
  "direction",
  "events",
  "mapped",
  "unmapped",
  "unknownUnmaps",
  "bytesMapped",
  "peakBytes",
  "sizes",
  "runs",
  "lifetimes",
  "lifetimesNs",
];

const STACK_COLUMNS = ["stack", "events", "mapped", "bytesMapped", "alive", "bytesAlive", "lifetimesNs"];

const columnsOf = ({ stacks, windows }: Readonly<Record<string, unknown>>): readonly string[] =>
  stacks !== undefined ? STACK_COLUMNS : windows !== undefined ? WINDOW_COLUMNS : DEVICE_COLUMNS;

/** `stat FILE`: rates, sizes of calls, runs, and lifetimes of mappings, per window, per device and direction, or per caller. */
export async function stat(path: string, options: StatOptions): Promise<number> {
  const { filter, quiet, by, top, buffer } = options;
  const windows = await windowsTold(options);
  const measures = await withInput(path, quiet, (data, read) =>
    measureTrace(data, { ...read, filter, by, windows, buffer }),
  );
  for (const { line, message } of measures.gaps)
    printWarning(line > 0 ? `${measures.file}:${line}` : measures.file, message);
  if (measures.lostPlaces > 0)
    printWarning(measures.file, `the kernel lost events in ${counted(measures.lostPlaces, "place")}`);
  const json = measuresToJson(measures);
  const rows = (json.stacks ?? json.windows ?? json.devices) as readonly Row[];
  const answer: Answer = {
    human: () => printMeasures(measures, top),
    json: () => [toJson(json)],
    columns: columnsOf(json),
    rows: () => rows,
  };
  await printAnswer(answer, options);
  return Exit.OK;
}

function printMeasures(measures: TraceMeasures, top: number): void {
  const { file, events, seconds } = measures;
  const rate =
    seconds > 0 ? ` in ${seconds.toFixed(3)} s, ${formatCount(Math.round(events / seconds))} a second` : "";
  print(`${file}: ${counted(events, "event")}${rate}`);
  if (measures.windows.length > 0) printWindowSummary(measures.windows);
  if (measures.devices.length > 0) printDmaSummary(measures.devices);
  for (const window of measures.windows) printWindow(window);
  for (const group of measures.devices) printDmaGroup(group, seconds);
  if (measures.stacks.length > 0) printStacks(measures.stacks, top);
}

export const verb: Verb = defineVerb({
  name: "stat",
  summary:
    "how often, how much at once and for how long: a table of all, then runs, sizes and lifetimes as histograms",
  arguments: [
    [
      "<file>",
      `trace of QEMU (log or simple) or Linux' dma events (text, trace.dat, perf.data); ${ANY_INPUT}`,
    ],
  ],
  options: [
    text("--by <what>", "window or device and direction, or who called, by the call stacks of Linux")
      .choices(["device", "stack"])
      .default("device"),
    value("--top <count>", "with --by stack: callers that are shown", wholeNumber(1, 2 ** 40)).default(20),
    filterOption(),
    ...answerOptions(),
    ...machineOptions(),
    quietOption("no progress bar"),
  ],
  examples: [
    "stat qemu.log",
    "stat --filter dma_map_sg --output json trace.txt",
    "stat --by stack trace.txt",
  ],
  run: stat,
});
