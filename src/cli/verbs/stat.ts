import { hex } from "../../base/u64.ts";
import { formatCount } from "../../base/units.ts";
import { DmaStatistics } from "../../check/lifetimes/linux-statistics.ts";
import { TraceStatistics } from "../../check/lifetimes/qemu-statistics.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { filterOf } from "../filter.ts";
import { displayName } from "../input.ts";
import { filterOption, outputOption, quietOption } from "../options.ts";
import { Exit, print, printWarning, toJson } from "../output.ts";
import { printDmaGroup, printWindow } from "../stat-text.ts";
import { feed } from "../trace-file.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface StatOptions {
  readonly output: "human" | "json";
  readonly filter: readonly string[];
  readonly quiet: boolean;
}

/** `stat FILE`: rates, sizes of calls, runs, and lifetimes of mappings, per window or per device and direction. */
export async function stat(path: string, options: StatOptions): Promise<number> {
  const name = displayName(path);
  const statistics = new TraceStatistics();
  let dma: DmaStatistics | undefined;
  const filter = filterOf(options.filter);
  const input = new TraceSource(name, {
    qemu: (event) => {
      if (filter === undefined || filter.qemu(event)) statistics.handle(event);
    },
    linux: (event, names) => {
      dma ??= new DmaStatistics(names);
      if (filter === undefined || filter.linux(event, names)) dma.handle(event);
    },
    gap: (gap) => {
      if (gap.kind !== "torn") statistics.lose();
      printWarning(`${name}:${gap.line}`, gap.message);
    },
  });
  await feed(
    path,
    { push: (chunk) => input.push(chunk), truncated: (reason) => printWarning(name, reason) },
    options,
  );
  input.end();
  const counted = dma ?? statistics;
  if (options.output === "json") {
    print(
      toJson({ ...totalsOf(name, counted), ...(dma === undefined ? windowsOf(statistics) : devicesOf(dma)) }),
    );
    return Exit.OK;
  }
  printTotals(name, counted);
  if (dma === undefined) for (const window of statistics.windows) printWindow(window);
  else for (const group of dma.groups) printDmaGroup(group, durationOf(dma));
  return Exit.OK;
}

/** What both kinds of statistics have. */
interface Counted {
  readonly events: number;
  readonly firstTime: number;
  readonly lastTime: number;
}

/** Seconds from the first to the last event; NaN without times. */
const durationOf = ({ firstTime, lastTime }: Counted): number => lastTime - firstTime;

function totalsOf(file: string, counted: Counted): Record<string, unknown> {
  const seconds = durationOf(counted);
  return {
    file,
    events: counted.events,
    seconds: Number.isNaN(seconds) ? null : seconds,
    eventsPerSecond: seconds > 0 ? counted.events / seconds : null,
  };
}

function printTotals(file: string, counted: Counted): void {
  const seconds = durationOf(counted);
  const rate =
    seconds > 0
      ? ` in ${seconds.toFixed(3)} s, ${formatCount(Math.round(counted.events / seconds))} a second`
      : "";
  print(`${file}: ${formatCount(counted.events)} events${rate}`);
}

const windowsOf = ({ windows }: TraceStatistics): Record<string, unknown> => ({
  windows: windows.map((window) => ({
    liobn: hex(window.liobn),
    events: window.events,
    pagesMapped: window.pagesMapped,
    pagesUnmapped: window.pagesUnmapped,
    callPages: window.callPages.cells,
    runPages: window.runPages.cells,
    lifetimes: window.lifetimes.cells,
  })),
});

const devicesOf = ({ groups }: DmaStatistics): Record<string, unknown> => ({
  devices: groups.map((group) => ({
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
  })),
});

export const verb: Verb = defineVerb({
  name: "stat",
  summary: "how often, how much at once and for how long: rates, runs, sizes and lifetimes as histograms",
  arguments: [
    [
      "<file>",
      "trace of QEMU (log or simple) or text of Linux' dma events; may be gzip-compressed; - for standard input",
    ],
  ],
  options: [filterOption(), outputOption(), quietOption("no progress bar")],
  examples: ["stat qemu.log", "stat --filter dma_map_sg --output json trace.txt"],
  run: stat,
});
