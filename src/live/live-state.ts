import { hex, hex64 } from "../base/u64.ts";
import type { Mismatch } from "../check/rebuild/mismatch.ts";
import type { Rebuild } from "../check/rebuild/rebuild.ts";
import { Certainty, type EntryClasses, type RebuiltWindow } from "../check/rebuild/rebuilt-window.ts";
import type { RebuildCounts } from "../check/rebuild/verdicts.ts";
import { type EntryRun, forEachEntryRun } from "../check/windows/entry-runs.ts";
import type { AlivePattern } from "./alive-patterns.ts";
import type { LiveFindings } from "./live-findings.ts";
import type { Lag } from "./read-lag.ts";
import type { WindowTraffic } from "./traffic.ts";

/** Mismatches that a state shows: the last ones. All are counted. */
const SHOWN_MISMATCHES = 10;

/**
 * Consecutive pages that map consecutive targets, or all the same one, with one permission.
 *
 * @public
 */
export interface LiveMapping {
  readonly ioba: string;
  readonly target: string;
  readonly pages: number;
  /** 1 read, 2 write. */
  readonly perm: number;
  /** There if two or more pages map one and the same target. */
  readonly sameTarget?: true;
}

/**
 * A DMA window as it is now.
 *
 * @public
 */
export interface LiveWindow {
  readonly liobn: string;
  readonly busOffset: string;
  readonly pageShift: number;
  readonly entries: number;
  /** Entries that map something, of those that are not unknown. */
  readonly mapped: number;
  /** How sure we are of the entries; without a base state most are unknown at first. */
  readonly certainty: EntryClasses;
  /** The geometry is a guess, since the trace did not say. */
  readonly assumed: boolean;
  /**
   * There for a VIO device that sees memory past its window. It is known when attaching and ends with the first
   * translation; no line tells that it begins.
   */
  readonly bypass?: true;
  readonly mappings?: readonly LiveMapping[];
}

/**
 * An answer of QEMU that the engine would not give.
 *
 * @public
 */
export interface LiveMismatch extends Omit<Mismatch, "address" | "start"> {
  readonly address: string;
  readonly start?: string;
}

/**
 * What is known of the machine at one moment.
 *
 * @public
 */
export interface LiveState {
  /** Events read since the beginning. */
  readonly events: number;
  /** Lines of the log that were meant to be events and could not be read. */
  readonly damagedLines: number;
  readonly windows: readonly LiveWindow[];
  readonly counts: RebuildCounts;
  /** The last answers of QEMU that the engine would not give. */
  readonly mismatches: readonly LiveMismatch[];
}

/**
 * All that is known at one moment. It is plain JSON.
 *
 * @public
 */
export interface LiveSnapshot extends LiveState {
  /** Since the log was followed. */
  readonly seconds: number;
  /** How far what is shown is behind what QEMU wrote. */
  readonly lag: Lag;
  readonly eventsPerSecond: number;
  /** What goes on in each window that was used, also of those that went. */
  readonly traffic: readonly WindowTraffic[];
  /** What is alive of the mappings that were seen to be made; null if these are too many to be kept apart. */
  readonly alive: {
    readonly patterns: readonly AlivePattern[];
    /** Patterns that are not shown: those with the fewest bytes. */
    readonly more: number;
    /** Pages that are mapped, and were not seen to be. */
    readonly earlierPages: number;
  } | null;
  readonly findings: LiveFindings;
  /** What is not known, and so is not shown. */
  readonly doubts: readonly string[];
}

/**
 * The state of a machine that is rebuilt; shares nothing with it.
 *
 * @param withMappings all runs of all windows as well
 */
export function describeState(
  rebuild: Rebuild,
  log: { readonly events: number; readonly damaged: number },
  withMappings: boolean,
): LiveState {
  const windows = [...rebuild.windows.values()]
    .sort((a, b) => a.window.liobn - b.window.liobn)
    .map((rebuilt): LiveWindow => {
      const { window, assumed } = rebuilt;
      return {
        liobn: hex(window.liobn),
        busOffset: hex64(window.busOffset),
        pageShift: window.pageShift,
        entries: window.entries,
        mapped: countMapped(rebuilt),
        certainty: rebuilt.classes(),
        assumed,
        ...(window.bypass ? { bypass: true as const } : {}),
        ...(withMappings ? { mappings: mappingsOf(rebuilt) } : {}),
      };
    });
  return {
    events: log.events,
    damagedLines: log.damaged,
    windows,
    counts: { ...rebuild.counts },
    mismatches: rebuild.mismatches.slice(-SHOWN_MISMATCHES).map(describeMismatch),
  };
}

const describeMismatch = ({ address, start, ...mismatch }: Mismatch): LiveMismatch => ({
  ...mismatch,
  address: hex(address),
  ...(start === undefined ? {} : { start: hex(start) }),
});

/** Costs what is unknown, not what is mapped. */
function countMapped(rebuilt: RebuiltWindow): number {
  const { table, entries } = rebuilt.window;
  let mapped = table?.validCount ?? 0;
  rebuilt.forEachCertainty(0, entries, (first, count, certainty) => {
    if (certainty !== Certainty.UNKNOWN) return;
    forEachEntryRun(table, first, first + count, ({ pages }) => {
      mapped -= pages;
    });
  });
  return mapped;
}

/** Runs of entries that map something and are not unknown. */
function mappingsOf(rebuilt: RebuiltWindow): LiveMapping[] {
  const { table, entries, busOffset, pageShift } = rebuilt.window;
  const mappings: LiveMapping[] = [];
  const add = ({ first, pages, target, perm, step }: EntryRun): void => {
    const ioba = hex64(busOffset + (BigInt(first) << BigInt(pageShift)));
    mappings.push({ ioba, target: hex64(target), pages, perm, ...(step === 0 ? { sameTarget: true } : {}) });
  };
  let at = 0;
  rebuilt.forEachCertainty(0, entries, (first, count, certainty) => {
    if (certainty !== Certainty.UNKNOWN) return;
    forEachEntryRun(table, at, first, add);
    at = first + count;
  });
  forEachEntryRun(table, at, entries, add);
  return mappings;
}
