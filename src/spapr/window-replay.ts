import type { ReplayReport } from "../memory/iommu-hooks.ts";
import type { IommuNotifier } from "../memory/iommu-notifier.ts";
import type { IommuRegion } from "../memory/iommu-region.ts";
import { MappingRun } from "../memory/mapping-run.ts";
import type { RunVisitor } from "../tce/run-joiner.ts";
import type { TceTable } from "../tce/tce-table.ts";
import type { WindowGeometry } from "./window-geometry.ts";

/**
 * How a window notifies a new notifier of what is mapped.
 *
 * @public
 */
export type ReplayStrategy =
  /** From the counts of the table: costs what is mapped. */
  | "counted-walk"
  /** Translates every page of the window, as QEMU does. */
  | "page-walk";

/** What a replay needs of a window. */
export interface ReplayedWindow {
  readonly env: { readonly replayStrategy: ReplayStrategy };
  readonly iommu: IommuRegion;
  /** Replaced when the window is made anew, which ends a walk. */
  readonly geometry: WindowGeometry;
  /** The entries; null while the window is disabled. */
  readonly table: TceTable | null;
  /** The window is being enabled: it is empty, unless a listener has put something in. */
  readonly skippingReplay: boolean;
}

/** Thrown to leave a walk through a table that changed under it. */
const CHANGED = new Error("the table changed during a walk");

/** Notifies a notifier of what a window maps, in the way of its machine. */
export function replayWindow(window: ReplayedWindow, notifier: IommuNotifier): ReplayReport {
  // A listener that was called before may have put something in already.
  if (window.skippingReplay && (window.table?.validCount ?? 0) === 0) {
    return { strategy: "skipped", steps: 0, notifications: 0, complete: true };
  }
  if (window.env.replayStrategy === "page-walk") return window.iommu.replayByPages(notifier);
  return replayByRuns(window, notifier);
}

/**
 * Notifies a notifier of every run of valid entries; costs what is mapped.
 *
 * A callback may change the table: the walk then goes on after the run that
 * was notified, through the table as it is now, like a walk from page to page.
 *
 * @throws what the notifier throws; the replay ends there
 */
export function replayByRuns(window: ReplayedWindow, notifier: IommuNotifier): ReplayReport {
  const { iommu, geometry, table } = window;
  const { page, entries } = geometry;
  const run = new MappingRun();
  const wasRegistered = iommu.isRegistered(notifier);
  let changes = iommu.changes;
  let runs = 0;
  let at = 0;
  const visit: RunVisitor = (first, pages, targetHi, targetLo, perm) => {
    runs++;
    run.set(page, first, pages, targetHi, targetLo, perm);
    const end = first + pages;
    at = first;
    do {
      const from = at;
      at = notifier.replayEnd(page, from, end);
      notifier.tellReplayed(run, from, at);
    } while (at < end && iommu.changes === changes);
    if (iommu.changes !== changes) throw CHANGED;
  };
  iommu.beginWalk();
  try {
    for (;;) {
      try {
        table?.forEachRun(at, entries, visit);
        return reportOf(runs, true);
      } catch (error) {
        if (error !== CHANGED) throw error;
      }
      changes = iommu.changes;
      if (window.geometry !== geometry || window.table !== table) return reportOf(runs, false);
      if (wasRegistered && !iommu.isRegistered(notifier)) return reportOf(runs, false);
    }
  } finally {
    iommu.endWalk();
  }
}

const reportOf = (runs: number, complete: boolean): ReplayReport => ({
  strategy: "counted-walk",
  steps: runs,
  notifications: runs,
  complete,
});
