import type { Permission } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import { PUT, STUFF, type TraceEvent } from "../../formats/trace/trace-event.ts";
import { permOf } from "../../tce/tce.ts";
import type { CheckOptions } from "../check-options.ts";
import {
  type Finding,
  type FindingLog,
  type NewFinding,
  type Place,
  placeOf,
  placeText,
} from "../findings/finding.ts";
import { Certainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { UnmapSweeps } from "./unmap-sweeps.ts";

/** Finds maps of what is mapped and unmaps of what is not. */
export class MappingFindings {
  readonly #log: FindingLog;
  /** The finding made last, which the next page may continue. */
  #last: Finding | undefined;
  #lastWindow: RebuiltWindow | undefined;
  #lastEnd = -1;
  readonly #sweeps: UnmapSweeps;

  constructor(log: FindingLog, options: CheckOptions) {
    this.#log = log;
    this.#sweeps = new UnmapSweeps(log, options.sweep);
  }

  /** To be called after the last event. */
  end(): void {
    this.#sweeps.flush();
  }

  /**
   * Looks at entries before they are stored. One entry that comes or goes as it should is nearly every call.
   *
   * @param was permission of the first of them until then
   */
  changing(event: TraceEvent, rebuilt: RebuiltWindow, first: number, count: number, was: Permission): void {
    const maps = permOf(event.tceLo) !== 0;
    if (count === 1) {
      if ((was !== 0) !== maps) {
        if (this.#sweeps.active && !maps) this.#sweeps.unmapped(rebuilt, first, 1, false);
        return;
      }
      if (maps) this.#mapped(event, rebuilt, first);
      else this.#unmapped(event, rebuilt, first, 1);
      return;
    }
    const live = rebuilt.window.table!.count(first, first + count);
    if (maps && live > 0) this.#mappedRange(event, rebuilt, first, count);
    else if (!maps && live < count) this.#unmappedRange(event, rebuilt, first, count);
    else if (!maps && this.#sweeps.active) this.#sweeps.unmapped(rebuilt, first, count, false);
  }

  /** @param same is the value that is stored the one that is there? */
  #mapped(event: TraceEvent, rebuilt: RebuiltWindow, index: number): void {
    if (rebuilt.certainty(index) === Certainty.UNKNOWN) return;
    const table = rebuilt.window.table!;
    table.load(index);
    const was = toBig(table.hi, table.lo);
    // Of a list only the last value is printed.
    const known = event.kind === PUT || event.kind === STUFF;
    const same = known && table.hi === event.tceHi && table.lo === event.tceLo;
    const maker = rebuilt.history.at(index);
    const by = maker === undefined ? "before the trace began" : `by ${placeText(maker)}`;
    const now = known ? hex(toBig(event.tceHi, event.tceLo)) : "an entry of a list";
    this.#add(rebuilt, index, 1, event, maker, {
      kind: same ? "double-map" : "replaced-live",
      severity: same ? "warning" : "error",
      places: [],
      message: same
        ? `${hex(was)} is put where it is mapped already, ${by}: an unmap is missing, or the map is made twice`
        : `${hex(was)}, mapped ${by}, is replaced by ${now} while it is live: an unmap is missing`,
    });
  }

  #mappedRange(event: TraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    rebuilt.window.table!.forEachRun(first, first + count, (from, pages) => {
      for (let i = 0; i < pages; i++) this.#mapped(event, rebuilt, from + i);
    });
  }

  /** What was never mapped is cleared at the start of a driver. */
  #unmapped(event: TraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const now = placeOf(event);
    this.#sweeps.unmapped(rebuilt, first, count, true);
    rebuilt.history.forEachRun(first, first + count, (from, pages, before) => {
      if (!rebuilt.isKnown(from, pages)) return;
      this.#sweeps.hold({
        kind: "unmap-unmapped",
        severity: "error",
        liobn: rebuilt.window.liobn,
        ioba: rebuilt.iobaOf(from),
        pages,
        places: [before, now],
        message: `an unmap of what was unmapped already, by ${placeText(before)}`,
      });
    });
  }

  #unmappedRange(event: TraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const end = first + count;
    let at = first;
    const gapTo = (to: number): void => {
      if (to > at) this.#unmapped(event, rebuilt, at, to - at);
    };
    rebuilt.window.table!.forEachRun(first, end, (from, pages) => {
      gapTo(from);
      this.#sweeps.unmapped(rebuilt, from, pages, false);
      at = from + pages;
    });
    gapTo(end);
  }

  /** Makes a finding, or lengthens the last one when this is its next page. */
  #add(
    rebuilt: RebuiltWindow,
    index: number,
    pages: number,
    event: TraceEvent,
    cause: Place | undefined,
    finding: NewFinding,
  ): void {
    const now = placeOf(event);
    const places = cause === undefined ? [now] : [cause, now];
    const last = this.#last;
    const goesOn = last?.kind === finding.kind && this.#lastWindow === rebuilt && this.#lastEnd === index;
    this.#lastWindow = rebuilt;
    this.#lastEnd = index + pages;
    if (goesOn) this.#log.extend(last, places, pages);
    else {
      const { liobn } = rebuilt.window;
      this.#last = this.#log.add({ ...finding, liobn, ioba: rebuilt.iobaOf(index), pages, places });
    }
  }
}
