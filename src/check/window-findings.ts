import { type AddressRange, overlaps } from "../base/range.ts";
import { hex64, U64_MAX } from "../base/u64.ts";
import type { TraceEvent } from "../formats/trace/trace-event.ts";
import type { CheckOptions } from "./check-options.ts";
import { isDirectMap } from "./direct-map.ts";
import { type FindingLog, pagesText } from "./finding.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";
import { placeOf } from "./window-lifecycle.ts";

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
    const { window, assumed, createdAt } = rebuilt;
    this.#lookAt.set(rebuilt, Math.ceil(window.entries * this.#options.fullAt));
    if (!window.isPci || assumed) return;
    for (const other of others) {
      if (other === rebuilt || other.assumed || other.window.owner !== window.owner) continue;
      if (!overlaps(rangeOfWindow(rebuilt), rangeOfWindow(other))) continue;
      this.#log.add({
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

  /** To be called when entries of a window that is nearly full were stored. */
  grown(event: TraceEvent, rebuilt: RebuiltWindow): void {
    const { window } = rebuilt;
    const live = window.table!.validCount;
    if (live < this.#lookAt.get(rebuilt)!) return;
    const free = window.entries - live;
    // Look again when an eighth of what is free is gone.
    this.#lookAt.set(rebuilt, live + Math.max(1, Math.floor(free / 8)));
    const largest = largestGap(rebuilt);
    if (largest >= this.#options.freePages || isDirectMap(rebuilt)) return;
    this.#lookAt.set(rebuilt, Number.POSITIVE_INFINITY);
    this.#log.add({
      kind: "window-full",
      severity: "warning",
      liobn: window.liobn,
      ioba: window.busOffset,
      pages: window.entries,
      places: [placeOf(event)],
      message: `${live} of ${pagesText(window.entries)} are mapped, and no more than ${pagesText(largest)} are free in one piece: larger maps fail (iommu_alloc failed)`,
    });
  }
}

function rangeOfWindow({ window }: RebuiltWindow): AddressRange {
  const last = window.busOffset + (BigInt(window.entries) << BigInt(window.pageShift)) - 1n;
  return { first: window.busOffset, last: last > U64_MAX ? U64_MAX : last };
}

function largestGap({ window }: RebuiltWindow): number {
  let largest = 0;
  let at = 0;
  window.table!.forEachRun(0, window.entries, (first, pages) => {
    largest = Math.max(largest, first - at);
    at = first + pages;
  });
  return Math.max(largest, window.entries - at);
}
