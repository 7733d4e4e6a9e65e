import Table from "cli-table3";
import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import { formatCount } from "../base/units.ts";
import { TraceInput } from "../check/trace-input.ts";
import { type Histogram, TraceStatistics, type WindowStatistics } from "../check/trace-statistics.ts";
import { filterOf } from "./filter.ts";
import { displayName } from "./input.ts";
import { Exit, print, printError, toJson } from "./output.ts";
import { feed } from "./trace-file.ts";

export interface StatOptions {
  readonly output: "human" | "json";
  readonly filter: readonly string[];
  readonly quiet: boolean;
}

/** Columns of the longest bar of a histogram. */
const BAR = 40;

/** `stat FILE`: rates, sizes of calls, runs of pages, and lifetimes of mappings. */
export async function stat(path: string, options: StatOptions): Promise<number> {
  const name = displayName(path);
  const statistics = new TraceStatistics();
  const filter = filterOf(options.filter);
  const input = new TraceInput(name, {
    trace: (event) => {
      if (filter === undefined || filter.trace(event)) statistics.handle(event);
    },
    dma: () => {
      throw new IommuError("UNSUPPORTED", `${name}: stat is about windows; dma events name none`);
    },
    gap: (gap) => {
      if (gap.kind !== "torn") statistics.lose();
      printError(`${name}:${gap.line}: warning: ${gap.message}`);
    },
  });
  await feed(path, { push: (chunk) => input.push(chunk), truncated: printError }, options);
  input.end();
  if (options.output === "json") print(toJson(jsonOf(name, statistics)));
  else printStatistics(name, statistics);
  return Exit.OK;
}

/** Seconds from the first to the last event; NaN without times. */
const durationOf = ({ firstTime, lastTime }: TraceStatistics): number => lastTime - firstTime;

function jsonOf(file: string, statistics: TraceStatistics): Record<string, unknown> {
  const seconds = durationOf(statistics);
  const { events } = statistics;
  return {
    file,
    events,
    seconds: Number.isNaN(seconds) ? null : seconds,
    eventsPerSecond: seconds > 0 ? events / seconds : null,
    windows: statistics.windows.map((window) => ({
      liobn: hex(window.liobn),
      events: window.events,
      pagesMapped: window.pagesMapped,
      pagesUnmapped: window.pagesUnmapped,
      callPages: window.callPages.cells,
      runPages: window.runPages.cells,
      lifetimes: window.lifetimes.cells,
    })),
  };
}

function printStatistics(file: string, statistics: TraceStatistics): void {
  const seconds = durationOf(statistics);
  const rate =
    seconds > 0
      ? ` in ${seconds.toFixed(3)} s, ${formatCount(Math.round(statistics.events / seconds))} a second`
      : "";
  print(`${file}: ${formatCount(statistics.events)} events${rate}`);
  for (const window of statistics.windows) printWindow(window);
}

function printWindow(window: WindowStatistics): void {
  const { liobn, events, pagesMapped, pagesUnmapped } = window;
  print(liobn === 0 ? "\nbridges" : `\nLIOBN ${hex(liobn)}`);
  const table = new Table({
    head: ["event", "number"],
    style: { head: [], border: [] },
    colAligns: ["left", "right"],
  });
  for (const [name, number] of Object.entries(events)) table.push([name, formatCount(number)]);
  print(table.toString());
  if (pagesMapped + pagesUnmapped === 0) return;
  print(`${formatCount(pagesMapped)} pages mapped, ${formatCount(pagesUnmapped)} unmapped`);
  printHistogram("pages of a call", window.callPages);
  printHistogram("pages mapped one after another", window.runPages);
  printHistogram("events between map and unmap of a page", window.lifetimes);
}

function printHistogram(title: string, { cells }: Histogram): void {
  const most = Math.max(...cells);
  if (cells.length === 0) return;
  print(title);
  cells.forEach((number, i) => {
    if (number === 0) return;
    const range = i === 0 ? "1" : `${formatCount(2 ** i)}-${formatCount(2 ** (i + 1) - 1)}`;
    print(
      `  ${range.padStart(21)} ${"#".repeat(Math.ceil((number / most) * BAR)).padEnd(BAR)} ${formatCount(number)}`,
    );
  });
}
