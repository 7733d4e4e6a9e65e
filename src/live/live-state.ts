import { hex, hex64 } from "../base/u64.ts";
import type { Mismatch } from "../check/rebuild/mismatch.ts";
import type { Rebuild } from "../check/rebuild/rebuild.ts";
import type { EntryClasses } from "../check/rebuild/rebuilt-window.ts";
import type { RebuildCounts } from "../check/rebuild/verdicts.ts";
import { forEachEntryRun } from "../check/windows/entry-runs.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
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
  /** Entries that map something. */
  readonly mapped: number;
  /** How sure we are of the entries; without a base state most are unknown at first. */
  readonly certainty: EntryClasses;
  /** The geometry is a guess, since the trace did not say. */
  readonly assumed: boolean;
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
        mapped: window.table?.validCount ?? 0,
        certainty: rebuilt.classes(),
        assumed,
        ...(withMappings ? { mappings: mappingsOf(window) } : {}),
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

function mappingsOf(window: DmaWindow): LiveMapping[] {
  const mappings: LiveMapping[] = [];
  const pageBytes = 1n << BigInt(window.pageShift);
  forEachEntryRun(window.table, 0, window.entries, ({ first, pages, target, perm, step }) => {
    const ioba = hex64(window.busOffset + BigInt(first) * pageBytes);
    mappings.push({ ioba, target: hex64(target), pages, perm, ...(step === 0 ? { sameTarget: true } : {}) });
  });
  return mappings;
}
