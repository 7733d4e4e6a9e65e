import { formatCount } from "../../base/units.ts";
import type { CheckOptions } from "../check-options.ts";
import { pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import type { Place } from "../findings/place.ts";
import { isDirectMap } from "./direct-map.ts";
import { forEachEntryRun } from "./entry-runs.ts";
import type { StaticWindow } from "./static-window.ts";

/**
 * Finds out whether a window in which so much is mapped is fragmented, too.
 *
 * @param place which shows it
 */
export function findFull(
  found: StaticWindow,
  place: Place | undefined,
  { fullAt, freePages }: CheckOptions,
  log: FindingLog,
): boolean {
  const { liobn, busOffset, entries, table } = found.window;
  const live = table?.validCount ?? 0;
  if (live < Math.ceil(entries * fullAt)) return false;
  const largest = largestGap(found);
  if (largest >= freePages || isDirectMap(found)) return false;
  log.add({
    kind: "window-full",
    liobn,
    ioba: busOffset,
    pages: entries,
    places: place === undefined ? [] : [place],
    message: `${formatCount(live)} of ${pagesText(entries)} are mapped, and no more than ${pagesText(largest)} are free in one piece: larger maps fail (iommu_alloc failed)`,
  });
  return true;
}

/** Pages of the largest free piece. */
export function largestGap({ window }: StaticWindow): number {
  let largest = 0;
  let at = 0;
  forEachEntryRun(window.table, 0, window.entries, ({ first, pages }) => {
    largest = Math.max(largest, first - at);
    at = first + pages;
  });
  return Math.max(largest, window.entries - at);
}
