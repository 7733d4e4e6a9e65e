import { hex, hex64 } from "../../base/u64.ts";
import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { MAX_SAVED_ENTRIES, SAVE_NS_PER_ENTRY } from "./facts.ts";

/** Bytes of a TCE in QEMU's migration stream, mapped or not. */
const ENTRY_BYTES = 8;
/** What else a section has: head, flags, and the subsection with the geometry. */
const SECTION_BYTES = 10 + 32;
/** A run in a sparse encoding: first entry u32, entries u32, first TCE u64, whether the next ones go on u8. */
const RUN_BYTES = 4 + 4 + 8 + 1;
/** A sparse table begins with its number of runs. */
const SPARSE_HEAD_BYTES = 4;
/** 10 Gbit/s. */
const DEFAULT_LINK: number = 1.25e9;

/**
 * A window whose migration is to be foretold.
 *
 * @public
 */
export interface ForecastWindow {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  /** Null for a window that is not there. */
  readonly table: TceView | null;
}

/**
 * What a window costs when its machine is migrated by QEMU.
 *
 * @public
 */
export interface WindowForecast {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly entries: number;
  /** Entries that map something. */
  readonly mapped: number;
  /** Bytes of the stream. */
  readonly bytes: number;
  /** Time that the guest stands still for it: tables are sent after the guest was stopped. */
  readonly seconds: number;
  /** Maximal runs: one value, or consecutive pages. */
  readonly runs: number;
  /** Bytes that a sparse encoding of the same table would need. */
  readonly sparseBytes: number;
  readonly warnings: readonly string[];
}

/**
 * Foretells what the TCE tables of a machine cost when QEMU migrates it.
 *
 * @param linkBytesPerSecond of the connection; default 10 Gbit/s
 * @public
 */
export const forecastMigration = (
  windows: readonly ForecastWindow[],
  linkBytesPerSecond: number = DEFAULT_LINK,
): WindowForecast[] => windows.map((window) => forecastWindow(window, linkBytesPerSecond));

function forecastWindow(window: ForecastWindow, linkBytesPerSecond: number): WindowForecast {
  const { liobn, busOffset, pageShift, table } = window;
  const entries = table?.length ?? 0;
  const runs = table === null ? 0 : countRuns(table);
  const bytes = SECTION_BYTES + entries * ENTRY_BYTES;
  const seconds = Math.max((entries * SAVE_NS_PER_ENTRY) / 1e9, bytes / linkBytesPerSecond);
  return {
    liobn,
    busOffset,
    pageShift,
    entries,
    mapped: table?.validCount ?? 0,
    bytes,
    seconds,
    runs,
    sparseBytes: SECTION_BYTES + SPARSE_HEAD_BYTES + runs * RUN_BYTES,
    warnings: warningsOf(entries),
  };
}

function warningsOf(entries: number): string[] {
  if (entries < MAX_SAVED_ENTRIES) return [];
  const count = `${formatCount(entries)} entries`;
  if (entries === MAX_SAVED_ENTRIES)
    return [`${count}: the largest table that QEMU 7.2.22 was seen to save and load`];
  return [`${count}: 2^28 are the most that QEMU 7.2.22 was seen to save; do not migrate this guest with it`];
}

/** Counts maximal runs of entries that are not zero; costs what is stored. */
function countRuns(table: TceView): number {
  const { page } = table;
  let runs = 0;
  let end = -1;
  let start = 0;
  let firstHi = 0;
  let firstLo = 0;
  // 0: all entries are the first one; 1: consecutive pages; -1: a single entry, which may become either.
  let kind = -1;
  table.forEachStoredRun(0, table.length, (first, count, hi, lo, step) => {
    const constant = hi === firstHi && lo === firstLo;
    const linear = page.follows(firstHi, firstLo, first - start, hi, lo);
    const wanted = count === 1 ? -1 : step;
    const joined = constant ? 0 : linear ? 1 : -1;
    const fits = joined >= 0 && (kind === -1 || kind === joined) && (wanted === -1 || wanted === joined);
    if (first === end && fits) {
      kind = joined;
    } else {
      runs++;
      start = first;
      firstHi = hi;
      firstLo = lo;
      kind = wanted;
    }
    end = first + count;
  });
  return runs;
}

/**
 * A forecast as its JSON.
 *
 * @public
 */
export const forecastToJson = (forecast: WindowForecast): Record<string, unknown> => ({
  ...forecast,
  liobn: hex(forecast.liobn),
  busOffset: hex(forecast.busOffset),
});

/**
 * A forecast as text for people.
 *
 * @public
 */
export function formatForecast(forecasts: readonly WindowForecast[]): string {
  const lines = forecasts.flatMap((forecast) => {
    const { liobn, busOffset, pageShift, entries, mapped, bytes, seconds, runs, sparseBytes } = forecast;
    const head = `${hex(liobn)} at ${hex64(busOffset)}, ${formatSize(2 ** pageShift)} pages`;
    if (entries === 0) return [`${hex(liobn)}: no window, ${formatSize(bytes)}`];
    return [
      `${head}: ${formatSize(bytes)}, ${formatTime(seconds)} of standstill`,
      `    ${formatCount(mapped)} of ${formatCount(entries)} entries are mapped; a sparse encoding of ${formatCount(runs)} runs would need ${formatSize(sparseBytes)}`,
      ...forecast.warnings.map((warning) => `    warning: ${warning}`),
    ];
  });
  const total = forecasts.reduce((sum, { bytes }) => sum + bytes, 0);
  const still = forecasts.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...lines, `all tables: ${formatSize(total)}, ${formatTime(still)} of standstill`].join("\n");
}
