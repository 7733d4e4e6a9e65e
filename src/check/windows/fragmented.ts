import { formatCount } from "../../base/units.ts";
import type { CheckOptions } from "../check-options.ts";
import { pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { isDirectMap } from "./direct-map.ts";
import { largestGap } from "./full.ts";
import type { StaticWindow } from "./static-window.ts";

/** Finds out whether a window that is not nearly full has no free piece of the size that drivers ask for. */
export function findFragmented(
  found: StaticWindow,
  { fullAt, freePages }: CheckOptions,
  log: FindingLog,
): void {
  const { liobn, busOffset, entries, table } = found.window;
  const live = table?.validCount ?? 0;
  const free = entries - live;
  // A gap lies between two mapped pages: fewer of these leave a larger one.
  const isPossible = free >= freePages && (live + 1) * (freePages - 1) >= free;
  if (!isPossible || live >= Math.ceil(entries * fullAt)) return;
  const largest = largestGap(found);
  if (largest >= freePages || isDirectMap(found)) return;
  log.add({
    kind: "fragmented",
    liobn,
    ioba: busOffset,
    pages: entries,
    places: [],
    message: `${pagesText(free)} of ${formatCount(entries)} are free, and no more than ${pagesText(largest)} in one piece: larger maps fail (iommu_alloc failed)`,
  });
}
