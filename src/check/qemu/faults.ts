import { hex, toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { permOf } from "../../tce/tce.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingLog, NewFinding } from "../findings/log.ts";
import { type Place, placeOf, placeText } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Finds DMA without a mapping, and names the unmap that took it away. */
export class FaultFindings {
  readonly #log: FindingLog;
  #last: Finding | undefined;
  #lastWindow: RebuiltWindow | undefined;
  #lastCause = -1;
  #firstIndex = 0;
  #endIndex = 0;

  constructor(log: FindingLog) {
    this.#log = log;
  }

  /** @returns true if a translation that the engine does not give is explained by an unmap */
  translated(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, same: boolean): boolean {
    const table = rebuilt.window.table!;
    table.load(index);
    const known = rebuilt.knows(index);
    if (event.perm === 0) {
      // An entry that is known to be mapped cannot fault, unless a VIO table was cleared without a line.
      if (!same && known && rebuilt.window.isPci) return false;
      this.#fault(event, rebuilt, index, same ? rebuilt.history.at(index) : undefined);
      return false;
    }
    const unmap = known && permOf(table.lo) === 0 ? rebuilt.history.at(index) : undefined;
    if (unmap === undefined || event.mask !== ~rebuilt.window.page.maskLo >>> 0) return false;
    this.#afterUnmap(event, rebuilt, index, unmap, "is recorded as done");
    return true;
  }

  /** A translation outside of the table, which is a fault, too. */
  outside(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    const offset = toBig(event.iobaHi, event.iobaLo);
    const index = Number(offset >> BigInt(rebuilt.window.pageShift));
    this.#add(event, rebuilt, index, undefined, {
      kind: "dma-fault",
      places: [],
      message: `DMA at offset ${hex(offset)}, which is outside of the window`,
    });
  }

  #fault(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, unmap: Place | undefined): void {
    if (unmap !== undefined) {
      this.#afterUnmap(event, rebuilt, index, unmap, "failed");
      return;
    }
    this.#add(event, rebuilt, index, undefined, {
      kind: "dma-fault",
      places: [],
      message: "DMA to a page that is not mapped, and was not since the window or the trace began",
    });
  }

  #afterUnmap(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    index: number,
    unmap: Place,
    what: string,
  ): void {
    this.#add(event, rebuilt, index, unmap, {
      kind: "dma-after-unmap",
      places: [],
      message: `DMA to a page that was unmapped by ${placeText(unmap)} ${what}`,
    });
  }

  /** Faults of one cause on pages side by side are one finding. */
  #add(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    index: number,
    cause: Place | undefined,
    finding: NewFinding,
  ): void {
    const now = placeOf(event);
    const causeEvent = cause?.event ?? -1;
    const near = index >= this.#firstIndex && index <= this.#endIndex;
    const last = this.#last;
    if (
      last?.kind === finding.kind &&
      last.message === finding.message &&
      this.#lastWindow === rebuilt &&
      this.#lastCause === causeEvent &&
      near
    ) {
      const more = index === this.#endIndex ? 1 : 0;
      this.#endIndex += more;
      this.#log.extend(last, [now], more);
      return;
    }
    this.#lastWindow = rebuilt;
    this.#lastCause = causeEvent;
    this.#firstIndex = index;
    this.#endIndex = index + 1;
    this.#last = this.#log.add({
      ...finding,
      liobn: rebuilt.window.liobn,
      ioba: rebuilt.iobaOf(index),
      pages: 1,
      places: cause === undefined ? [now] : [cause, now],
    });
  }
}
