import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { CheckOptions } from "../check-options.ts";
import type { FindingLog } from "../findings/log.ts";
import { placeOf } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { findFull } from "../windows/full.ts";
import { findOverlaps } from "../windows/overlaps.ts";

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
  grown(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
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
