import { formatCount } from "../../base/units.ts";
import { measuresToJson, measureTrace } from "../../check/whole/measure-trace.ts";
import { withInput } from "../input.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import {
  filterOption,
  quietOption,
  type RowForm,
  rawCellsOption,
  rowsOption,
  text,
  value,
  wholeNumber,
} from "../options.ts";
import { Exit, print, printWarning, toJson } from "../output.ts";
import { printRows, type Row } from "../rows.ts";
import { printDmaGroup, printStacks, printWindow } from "../stat-text.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface StatOptions extends MachineOptions {
  readonly output: RowForm;
  readonly rawCells: boolean;
  readonly filter: readonly string[];
  readonly by: "device" | "stack";
  readonly top: number;
  readonly quiet: boolean;
}

/** `stat FILE`: rates, sizes of calls, runs, and lifetimes of mappings, per window, per device and direction, or per caller. */
export async function stat(path: string, options: StatOptions): Promise<number> {
  const { filter, quiet, by, top } = options;
  const windows = await windowsTold(options);
  const measures = await withInput(path, quiet, (data, read) =>
    measureTrace(data, { ...read, filter, by, windows }),
  );
  for (const { line, message } of measures.gaps) printWarning(`${measures.file}:${line}`, message);
  const { output, rawCells } = options;
  if (output !== "human") {
    const json = measuresToJson(measures);
    if (output === "json") print(toJson(json));
    else {
      const rows = (json.stacks ?? json.windows ?? json.devices) as readonly Row[];
      await printRows(rows, Object.keys(rows[0] ?? {}), { output, rawCells });
    }
    return Exit.OK;
  }
  const { file, events, seconds } = measures;
  const rate =
    seconds > 0 ? ` in ${seconds.toFixed(3)} s, ${formatCount(Math.round(events / seconds))} a second` : "";
  print(`${file}: ${formatCount(events)} events${rate}`);
  for (const window of measures.windows) printWindow(window);
  for (const group of measures.devices) printDmaGroup(group, seconds);
  if (measures.stacks.length > 0) printStacks(measures.stacks, top);
  return Exit.OK;
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
  options: [
    text("--by <what>", "window or device and direction, or who called, by the call stacks of Linux")
      .choices(["device", "stack"])
      .default("device"),
    value("--top <count>", "with --by stack: callers that are shown", wholeNumber(1, 2 ** 40)).default(20),
    filterOption(),
    rowsOption(),
    rawCellsOption(),
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
