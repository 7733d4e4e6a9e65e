import type { Permission } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import { PUT, type QemuTraceEvent, STUFF } from "../../formats/trace/trace-event.ts";
import { permOf } from "../../tce/tce.ts";
import type { CheckOptions } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingLog, NewFinding } from "../findings/log.ts";
import { type Place, placeOf, placeText } from "../findings/place.ts";
import { Certainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { forEachEntryRun } from "../windows/entry-runs.ts";
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
  changing(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    first: number,
    count: number,
    was: Permission,
  ): void {
    const maps = permOf(event.tceLo) !== 0;
    if (count !== 1 || (was !== 0) === maps) this.#changingOther(event, rebuilt, first, count);
    else if (!maps && this.#sweeps.active) this.#sweeps.unmapped(rebuilt, first, 1, false);
  }

  /** Several entries, or one that was what it becomes. */
  #changingOther(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const maps = permOf(event.tceLo) !== 0;
    if (count === 1) {
      if (maps) this.#mappedRange(event, rebuilt, first, 1);
      else this.#unmapped(event, rebuilt, first, 1);
      return;
    }
    const live = rebuilt.window.table!.count(first, first + count);
    if (maps && live > 0) this.#mappedRange(event, rebuilt, first, count);
    else if (!maps && live === 0) this.#unmapped(event, rebuilt, first, count);
    else if (!maps && live < count) this.#unmappedRange(event, rebuilt, first, count);
    else if (!maps && this.#sweeps.active) this.#sweeps.unmapped(rebuilt, first, count, false);
  }

  /** Pages that are mapped are mapped again; those of which nobody knows what was there are left out. */
  #mappedRange(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const table = rebuilt.window.table!;
    // Of a list only the last value is printed.
    const value = event.kind === PUT || event.kind === STUFF ? toBig(event.tceHi, event.tceLo) : undefined;
    table.forEachStoredRun(first, first + count, (from, length, hi, lo, step) => {
      if (permOf(lo) === 0) return;
      const run = {
        first: from,
        count: length,
        was: toBig(hi, lo),
        size: BigInt(step) << BigInt(table.pageShift),
      };
      forEachPiece(rebuilt, run, value, (at, pages, same, maker) => {
        const was = run.was + run.size * BigInt(at - from);
        this.#mapped(event, rebuilt, { first: at, pages, was, same, maker });
      });
    });
  }

  /** Pages that some event mapped are mapped again, all to what they map already (`same`) or none. */
  #mapped(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    { first, pages, was, same, maker }: MappedAgain,
  ): void {
    const by = maker === undefined ? "before the trace began" : `by ${placeText(maker)}`;
    const now =
      event.kind === PUT || event.kind === STUFF
        ? hex(toBig(event.tceHi, event.tceLo))
        : "an entry of a list";
    this.#add(rebuilt, { first, pages }, event, maker, {
      kind: same ? "double-map" : "replaced-live",
      places: [],
      message: same
        ? `${hex(was)} is put where it is mapped already, ${by}: an unmap is missing, or the map is made twice`
        : `${hex(was)}, mapped ${by}, is replaced by ${now} while it is live: an unmap is missing`,
    });
  }

  /** What was never mapped is cleared at the start of a driver. */
  #unmapped(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    this.#sweeps.unmapped(rebuilt, first, count, true);
    // Nearly always this is one entry that no event has changed: nothing is walked, and nothing is allocated.
    if (count > 1 || rebuilt.history.eventAt(first) >= 0) this.#holdUnmapped(event, rebuilt, first, count);
  }

  #holdUnmapped(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    rebuilt.history.forEachRun(first, first + count, (from, pages, before) => {
      if (!rebuilt.isKnown(from, pages)) return;
      this.#sweeps.hold({
        kind: "unmap-unmapped",
        liobn: rebuilt.window.liobn,
        ioba: rebuilt.iobaOf(from),
        pages,
        places: [before, placeOf(event)],
        message: `an unmap of what was unmapped already, by ${placeText(before)}`,
      });
    });
  }

  #unmappedRange(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const end = first + count;
    let at = first;
    const gapTo = (to: number): void => {
      if (to > at) this.#unmapped(event, rebuilt, at, to - at);
    };
    forEachEntryRun(rebuilt.window.table, first, end, ({ first: from, pages }) => {
      gapTo(from);
      this.#sweeps.unmapped(rebuilt, from, pages, false);
      at = from + pages;
    });
    gapTo(end);
  }

  /** Makes a finding of pages that follow one another, or lengthens the last one when this is its next page. */
  #add(
    rebuilt: RebuiltWindow,
    { first, pages }: { readonly first: number; readonly pages: number },
    event: QemuTraceEvent,
    cause: Place | undefined,
    finding: NewFinding,
  ): void {
    const now = placeOf(event);
    const places = cause === undefined ? [now] : [cause, now];
    const last = this.#last;
    const goesOn = last?.kind === finding.kind && this.#lastWindow === rebuilt && this.#lastEnd === first;
    this.#lastWindow = rebuilt;
    this.#lastEnd = first + pages;
    if (goesOn) {
      this.#log.extend(last, places, pages, pages);
      return;
    }
    const { liobn } = rebuilt.window;
    this.#last = this.#log.add({ ...finding, liobn, ioba: rebuilt.iobaOf(first), pages: 1, places });
    if (pages > 1) this.#log.extend(this.#last, places, pages - 1, pages - 1);
  }
}

/** Entries that hold values which grow by `size` from one to the next. */
interface StoredRun {
  readonly first: number;
  readonly count: number;
  readonly was: bigint;
  readonly size: bigint;
}

/** Pages that are mapped while they are mapped. */
interface MappedAgain {
  readonly first: number;
  readonly pages: number;
  /** What the first one held. */
  readonly was: bigint;
  /** Is the value that is stored the one that is there? */
  readonly same: boolean;
  /** Who mapped them; undefined if that was before the trace began. */
  readonly maker: Place | undefined;
}

/**
 * Cuts a run, as far as it is not unknown, into pieces of one last change, which
 * all hold a value, or none of them does.
 */
function forEachPiece(
  rebuilt: RebuiltWindow,
  run: StoredRun,
  value: bigint | undefined,
  visit: (first: number, count: number, same: boolean, maker: Place | undefined) => void,
): void {
  const cut = (first: number, end: number, maker: Place | undefined): void => {
    const [from, to] = value === undefined ? [end, end] : whereHeld(run, value, first, end);
    if (from > first) visit(first, from - first, false, maker);
    if (to > from) visit(from, to - from, true, maker);
    if (end > to) visit(to, end - to, false, maker);
  };
  rebuilt.forEachCertainty(run.first, run.first + run.count, (first, count, certainty) => {
    if (certainty === Certainty.UNKNOWN) return;
    let at = first;
    rebuilt.history.forEachRun(first, first + count, (from, length, place) => {
      if (from > at) cut(at, from, undefined);
      cut(from, from + length, place);
      at = from + length;
    });
    if (first + count > at) cut(at, first + count, undefined);
  });
}

/** The entries of `[first, end)` of a run that hold a value; from `end` to `end` if none does. */
function whereHeld(run: StoredRun, value: bigint, first: number, end: number): [from: number, to: number] {
  if (run.size === 0n) return value === run.was ? [first, end] : [end, end];
  const ahead = value - run.was;
  const at = run.first + Number(ahead / run.size);
  return ahead >= 0n && ahead % run.size === 0n && at >= first && at < end ? [at, at + 1] : [end, end];
}
