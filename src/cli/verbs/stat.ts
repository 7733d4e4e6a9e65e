import { counted, formatCount } from "../../base/units.ts";
import { measuresToJson, measureTrace, type TraceMeasures } from "../../check/whole/measure-trace.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { withInput } from "../input.ts";
import { answerOptions, filterOption, quietOption } from "../options.ts";
import { Exit, print, printWarning, toJson } from "../output.ts";
import { printDmaGroup, printWindow } from "../stat-text.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface StatOptions extends AnswerOptions {
  readonly filter: readonly string[];
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

/** `stat FILE`: rates, sizes of calls, runs, and lifetimes of mappings, per window or per device and direction. */
export async function stat(path: string, options: StatOptions): Promise<number> {
  const { filter, quiet } = options;
  const measures = await withInput(path, quiet, (data, read) => measureTrace(data, { ...read, filter }));
  for (const { line, message } of measures.gaps) printWarning(`${measures.file}:${line}`, message);
  const json = measuresToJson(measures);
  const rows = (json.windows ?? json.devices) as readonly Row[];
  const answer: Answer = {
    human: () => printMeasures(measures),
    json: () => [toJson(json)],
    columns: json.windows === undefined ? DEVICE_COLUMNS : WINDOW_COLUMNS,
    rows: () => rows,
  };
  await printAnswer(answer, options);
  return Exit.OK;
}

function printMeasures(measures: TraceMeasures): void {
  const { file, events, seconds } = measures;
  const rate =
    seconds > 0 ? ` in ${seconds.toFixed(3)} s, ${formatCount(Math.round(events / seconds))} a second` : "";
  print(`${file}: ${counted(events, "event")}${rate}`);
  for (const window of measures.windows) printWindow(window);
  for (const group of measures.devices) printDmaGroup(group, seconds);
}

export const verb: Verb = defineVerb({
  name: "stat",
  summary: "how often, how much at once and for how long: rates, runs, sizes and lifetimes as histograms",
  arguments: [
    [
      "<file>",
      "trace of QEMU (log or simple) or text of Linux' dma events; may be gzip-compressed; - for standard input",
    ],
  ],
  options: [filterOption(), ...answerOptions(), quietOption("no progress bar")],
  examples: ["stat qemu.log", "stat --filter dma_map_sg --output json trace.txt"],
  run: stat,
});
