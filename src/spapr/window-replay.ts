import type { ReplayReport } from "../memory/iommu-hooks.ts";
import type { IommuNotifier } from "../memory/iommu-notifier.ts";
import { MappingRun } from "../memory/mapping-run.ts";
import type { RunVisitor } from "../tce/run-joiner.ts";
import type { DmaWindow } from "./dma-window.ts";

/** Thrown to leave a walk through a table that changed under it. */
const CHANGED = new Error("the table changed during a walk");

/** Tells a notifier what a window maps, in the way of its machine. */
export function replayWindow(window: DmaWindow, notifier: IommuNotifier): ReplayReport {
  // A listener that was called before may have put something in already.
  if (window.skippingReplay && (window.table?.validCount ?? 0) === 0) {
    return { strategy: "skipped", steps: 0, notifications: 0, complete: true };
  }
  if (window.env.replayStrategy === "page-walk") return window.iommu.replayByPages(notifier);
  return replayByRuns(window, notifier);
}

/**
 * Tells a notifier of every run of valid entries; costs what is mapped.
 *
 * A callback may change the table: the walk then goes on behind the run that
 * was told, through the table as it is now, like a walk from page to page.
 *
 * @throws what the notifier throws; the replay ends there
 */
export function replayByRuns(window: DmaWindow, notifier: IommuNotifier): ReplayReport {
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
    while (at < end && iommu.changes === changes) {
      const from = at;
      at = notifier.replayEnd(page, from, end);
      notifier.tellReplayed(run, from, at);
    }
    if (iommu.changes !== changes) throw CHANGED;
  };
  const report = (complete: boolean): ReplayReport => ({
    strategy: "counted-walk",
    steps: runs,
    notifications: runs,
    complete,
  });
  return iommu.walked(() => {
    for (;;) {
      try {
        table?.forEachRun(at, entries, visit);
        return report(true);
      } catch (error) {
        if (error !== CHANGED) throw error;
      }
      changes = iommu.changes;
      if (window.geometry !== geometry || window.table !== table) return report(false);
      if (wasRegistered && !iommu.isRegistered(notifier)) return report(false);
    }
  });
}
