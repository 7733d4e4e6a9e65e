import { hex } from "../base/u64.ts";
import { counted, formatCount, formatSize, formatTime } from "../base/units.ts";
import { framesText } from "../check/findings/finding-stack.ts";
import type { Histogram } from "../check/lifetimes/histogram.ts";
import type { StackStatistics } from "../check/lifetimes/linux-stacks.ts";
import type { DmaGroupStatistics } from "../check/lifetimes/linux-statistics.ts";
import type { PagePhase } from "../check/lifetimes/page-phases.ts";
import type { WindowStatistics } from "../check/lifetimes/qemu-statistics.ts";
import { print } from "./output.ts";
import { tableText } from "./table.ts";

/** Columns of the longest bar of a histogram. */
const BAR = 40;
/** Columns of the range before it. */
const RANGE = 21;

/** Prints a line for each window. */
export function printWindowSummary(windows: readonly WindowStatistics[]): void {
  const rows = windows.map(({ liobn, events, pagesMapped, pagesUnmapped, callPages, lifetimes }) => [
    liobn === 0 ? "bridges" : `LIOBN ${hex(liobn)}`,
    formatCount(sumOf(Object.values(events))),
    formatCount(sumOf(callPages.cells)),
    formatCount(pagesMapped),
    formatCount(pagesUnmapped),
    halfBelow(lifetimes, (limit) => counted(limit, "event")),
  ]);
  print(
    tableText(
      [
        { head: "window" },
        { head: "events", align: "right" },
        { head: "calls", align: "right" },
        { head: "pages mapped", align: "right" },
        { head: "unmapped", align: "right" },
        { head: "half end within", align: "right" },
      ],
      rows,
    ),
  );
}

/** Prints a line for each device and direction. */
export function printDmaSummary(groups: readonly DmaGroupStatistics[]): void {
  const rows = groups.map((group) => [
    group.device,
    group.direction,
    formatCount(group.mapped),
    formatCount(group.unmapped),
    formatSize(group.bytesMapped),
    formatSize(group.peakBytes),
    halfBelow(group.lifetimesNs, (limit) => formatTime(limit / 1e9)) ||
      halfBelow(group.lifetimes, (limit) => counted(limit, "event")),
  ]);
  print(
    tableText(
      [
        { head: "device" },
        { head: "direction" },
        { head: "maps", align: "right" },
        { head: "unmaps", align: "right" },
        { head: "bytes", align: "right" },
        { head: "at most", align: "right" },
        { head: "half end within", align: "right" },
      ],
      rows,
    ),
  );
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

/** What at least half of the values are below, which is the end of a cell; nothing without values. */
function halfBelow({ cells }: Histogram, textOf: (limit: number) => string): string {
  const half = sumOf(cells) / 2;
  if (half === 0) return "";
  let [cell, below] = [0, cells[0]!];
  while (below < half) below += cells[++cell]!;
  return textOf(2 ** (cell + 1));
}

/** Prints what happened in one window. */
export function printWindow(window: WindowStatistics): void {
  const { liobn, events, pagesMapped, pagesUnmapped } = window;
  print(liobn === 0 ? "\nbridges" : `\nLIOBN ${hex(liobn)}`);
  printEvents(events);
  for (const phase of window.phases) print(phaseText(phase));
  if (pagesMapped + pagesUnmapped === 0) return;
  print(`${counted(pagesMapped, "page")} mapped, ${formatCount(pagesUnmapped)} unmapped`);
  printHistogram("pages of a call", window.callPages);
  printHistogram("pages mapped one after another", window.runPages);
  printHistogram("events between map and unmap of a page", window.lifetimes);
}

/** `entry by entry: 900 calls from event 0 (line 1) on cleared 900 pages that were empty, in 15.3 ms; 2 calls would do`. */
function phaseText({ what, calls, pages, firstEvent, line, seconds, leastCalls }: PagePhase): string {
  const how = calls === pages ? "entry by entry" : "one after another";
  const did = { map: "mapped", unmap: "unmapped", clear: "cleared" }[what];
  const which = what === "clear" ? " that were empty" : "";
  const time = Number.isNaN(seconds) ? "" : `, in ${formatTime(seconds)}`;
  const less = leastCalls < calls ? `; ${counted(leastCalls, "call")} would do` : "";
  return `${how}: ${counted(calls, "call")} from event ${firstEvent} (line ${line}) on ${did} ${counted(pages, "page")}${which}${time}${less}`;
}

/**
 * Prints what one device did in one direction.
 *
 * @param seconds from the first to the last event of the recording; NaN without times
 */
export function printDmaGroup(group: DmaGroupStatistics, seconds: number): void {
  const { device, direction, events, mapped, unmapped, unknownUnmaps, bytesMapped, peakBytes } = group;
  print(`\ndevice ${device}, ${direction}`);
  printEvents(events);
  if (mapped + unknownUnmaps === 0) return;
  const rate = seconds > 0 ? `, ${Number((mapped / seconds).toPrecision(3))} a second` : "";
  print(`${formatCount(mapped)} mapped${rate}, ${formatCount(unmapped)} unmapped`);
  if (unknownUnmaps > 0) print(`${counted(unknownUnmaps, "unmap")} of what the recording did not see mapped`);
  print(`${formatSize(bytesMapped)} mapped, at most ${formatSize(peakBytes)} at one time`);
  printHistogram("bytes of a map", group.sizes, sizeRange);
  printHistogram("maps one after another at consecutive addresses", group.runs);
  printHistogram("events between map and unmap", group.lifetimes);
  printHistogram("time between map and unmap", group.lifetimesNs, timeRange);
}

/** Prints what callers did, who called most often first. */
export function printStacks(stacks: readonly StackStatistics[], top: number): void {
  const columns = [
    { head: "calls" },
    { head: "maps", align: "right" },
    { head: "mapped", align: "right" },
    { head: "alive", align: "right" },
    { head: "bytes alive", align: "right" },
    { head: "called by", isCut: true },
  ] as const;
  const rows = stacks.slice(0, top).map(({ stack, events, mapped, bytesMapped, alive, bytesAlive }) => [
    Object.entries(events)
      .map(([name, count]) => `${formatCount(count)} ${name}`)
      .join(", "),
    formatCount(mapped),
    formatSize(bytesMapped),
    formatCount(alive),
    formatSize(bytesAlive),
    stack.length === 0 ? "(no call stack)" : framesText(stack),
  ]);
  print(tableText(columns, rows));
  if (stacks.length > top) print(`and ${formatCount(stacks.length - top)} more (--top)`);
}

function printEvents(events: Readonly<Record<string, number>>): void {
  const rows = Object.entries(events).map(([name, number]) => [name, formatCount(number)]);
  print(tableText([{ head: "event" }, { head: "number", align: "right" }], rows));
}

/** @param rangeOf text for the values of a cell, from 2^cell on */
function printHistogram(title: string, { cells }: Histogram, rangeOf = countRange): void {
  const most = Math.max(...cells);
  if (cells.length === 0) return;
  print(title);
  cells.forEach((number, cell) => {
    if (number === 0) return;
    const bar = "#".repeat(Math.ceil((number / most) * BAR)).padEnd(BAR);
    print(`  ${rangeOf(cell).padStart(RANGE)} ${bar} ${formatCount(number)}`);
  });
}

const countRange = (cell: number): string =>
  cell === 0 ? "1" : `${formatCount(2 ** cell)}-${formatCount(2 ** (cell + 1) - 1)}`;

const sizeRange = (cell: number): string => `from ${formatSize(2 ** cell)}`;

const timeRange = (cell: number): string => `from ${formatTime(2 ** cell / 1e9)}`;
