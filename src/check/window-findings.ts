import { type AddressRange, overlaps } from "../base/range.ts";
import { hex64, U64_MAX } from "../base/u64.ts";
import type { TraceEvent } from "../formats/trace/trace-event.ts";
import type { CheckOptions } from "./check-options.ts";
import { isDirectMap } from "./direct-map.ts";
import { type FindingLog, type Place, pagesText, placeOf } from "./finding.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";
import type { StaticWindow } from "./static-window.ts";
import { forEachEntryRun } from "./windows/entry-runs.ts";

/** Finds windows that lie over one another, and windows that are used up. */
export class WindowFindings {
  readonly #log: FindingLog;
  readonly #options: CheckOptions;
  /** Mapped entries from which on a window is looked at again; none after its finding. */
  readonly #lookAt = new WeakMap<RebuiltWindow, number>();

  constructor(log: FindingLog, options: CheckOptions) {
    this.#log = log;
    this.#options = options;
  }

  created(rebuilt: RebuiltWindow, others: Iterable<RebuiltWindow>): void {
    this.#lookAt.set(rebuilt, Math.ceil(rebuilt.window.entries * this.#options.fullAt));
    findOverlaps(rebuilt, others, this.#log);
  }

  /** To be called when entries of a window that is nearly full were stored. */
  grown(event: TraceEvent, rebuilt: RebuiltWindow): void {
    const { window } = rebuilt;
    const live = window.table!.validCount;
    if (live < this.#lookAt.get(rebuilt)!) return;
    const free = window.entries - live;
    // Look again when an eighth of what is free is gone.
    this.#lookAt.set(rebuilt, live + Math.max(1, Math.floor(free / 8)));
    if (findFull(rebuilt, placeOf(event), this.#options, this.#log)) {
      this.#lookAt.set(rebuilt, Number.POSITIVE_INFINITY);
    }
  }
}

/** Finds windows of the same bridge that share bus addresses with a window. */
export function findOverlaps(found: StaticWindow, others: Iterable<StaticWindow>, log: FindingLog): void {
  const { window, assumed, createdAt } = found;
  if (!window.isPci || assumed) return;
  for (const other of others) {
    if (other === found || other.assumed || other.window.owner !== window.owner) continue;
    if (!overlaps(rangeOfWindow(found), rangeOfWindow(other))) continue;
    log.add({
      kind: "window-overlap",
      severity: "error",
      liobn: window.liobn,
      ioba: window.busOffset,
      pages: window.entries,
      places: [other.createdAt, createdAt].filter((place) => place !== undefined),
      message: `the window shares bus addresses with that of LIOBN 0x${other.window.liobn.toString(16)}, which begins at ${hex64(other.window.busOffset)}`,
    });
  }
}

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
    severity: "warning",
    liobn,
    ioba: busOffset,
    pages: entries,
    places: place === undefined ? [] : [place],
    message: `${live} of ${pagesText(entries)} are mapped, and no more than ${pagesText(largest)} are free in one piece: larger maps fail (iommu_alloc failed)`,
  });
  return true;
}

function rangeOfWindow({ window }: StaticWindow): AddressRange {
  const last = window.busOffset + (BigInt(window.entries) << BigInt(window.pageShift)) - 1n;
  return { first: window.busOffset, last: last > U64_MAX ? U64_MAX : last };
}

function largestGap({ window }: StaticWindow): number {
  let largest = 0;
  let at = 0;
  forEachEntryRun(window.table, 0, window.entries, (first, pages) => {
    largest = Math.max(largest, first - at);
    at = first + pages;
  });
  return Math.max(largest, window.entries - at);
}
