import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { DDW_QUERY, DDW_RESET, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { findSchema } from "../../formats/trace/trace-schema.ts";
import { permOf } from "../../tce/tce.ts";
import type { RebuildObserver } from "../rebuild/observer.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { forEachEntryRun } from "../windows/entry-runs.ts";
import { Histogram } from "./histogram.ts";
import { type PagePhase, PagePhases } from "./page-phases.ts";

/**
 * What happened in one window.
 *
 * @public
 */
export interface WindowStatistics {
  readonly liobn: number;
  /** Events by their name in QEMU's log. */
  readonly events: Record<string, number>;
  pagesMapped: number;
  pagesUnmapped: number;
  /** Pages of each call that stores entries. */
  readonly callPages: Histogram;
  /** Pages of calls that map one page after another. */
  readonly runPages: Histogram;
  /** Events between the map of a page and its unmap. */
  readonly lifetimes: Histogram;
  /** Many calls for pages one after another, in order. */
  readonly phases: readonly PagePhase[];
}

/** A window's numbers, and where its last run of maps ends. */
class Collector implements WindowStatistics {
  readonly liobn: number;
  readonly events: Record<string, number> = {};
  pagesMapped = 0;
  pagesUnmapped = 0;
  readonly callPages: Histogram = new Histogram();
  readonly runPages: Histogram = new Histogram();
  readonly lifetimes: Histogram = new Histogram();
  readonly pagePhases: PagePhases = new PagePhases();
  #runEnd = -1;
  #run = 0;

  constructor(liobn: number) {
    this.liobn = liobn;
  }

  get phases(): readonly PagePhase[] {
    return this.pagePhases.found;
  }

  mapped(first: number, count: number): void {
    this.pagesMapped += count;
    if (first !== this.#runEnd) this.endRun();
    this.#run += count;
    this.#runEnd = first + count;
  }

  endRun(): void {
    if (this.#run > 0) this.runPages.add(this.#run);
    this.#run = 0;
    this.#runEnd = -1;
  }
}

/** LIOBNs of which numbers are kept; a machine has some hundreds. */
const MAX_WINDOWS = 10_000;

/** Counts what a trace of QEMU does: how often, how much at once, and for how long. */
export class TraceStatistics implements RebuildObserver {
  readonly #rebuild: Rebuild;
  readonly #windows = new Map<number, Collector>();
  events = 0;
  /** Seconds of the first and the last event that have one; NaN without times. */
  firstTime: number = Number.NaN;
  lastTime: number = Number.NaN;

  /** @param told what somebody knows of the windows */
  constructor(told: readonly ToldWindow[] = []) {
    this.#rebuild = new Rebuild(undefined, this, told);
  }

  handle(event: QemuTraceEvent): void {
    this.events++;
    const time = event.seconds + event.nanoseconds / 1e9;
    if (Number.isNaN(this.firstTime)) this.firstTime = time;
    if (!Number.isNaN(time)) this.lastTime = time;
    const name = findSchema(event.kind, event.pci).name;
    // Queries and resets are of a bridge and name no window.
    const { events } = this.#collector(
      event.kind === DDW_QUERY || event.kind === DDW_RESET ? 0 : event.liobn,
    );
    events[name] = (events[name] ?? 0) + 1;
    this.#rebuild.handle(event);
  }

  /** By LIOBN. */
  get windows(): readonly WindowStatistics[] {
    const all = [...this.#windows.values()].sort((a, b) => a.liobn - b.liobn);
    for (const one of all) {
      one.endRun();
      one.pagePhases.finish();
    }
    return all.filter(({ events }) => Object.keys(events).length > 0);
  }

  /** Events are missing. */
  lose(): void {
    this.#rebuild.lose();
  }

  changing(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const collector = this.#collector(event.liobn);
    collector.callPages.add(count);
    const maps = permOf(event.tceLo) !== 0;
    const isEmpty = !maps && rebuilt.window.table!.count(first, first + count) === 0;
    collector.pagePhases.add(event, maps ? "map" : isEmpty ? "clear" : "unmap", first, count);
    if (maps) {
      collector.mapped(first, count);
      return;
    }
    forEachEntryRun(rebuilt.window.table, first, first + count, ({ first: from, pages }) => {
      collector.pagesUnmapped += pages;
      rebuilt.history.forEachRun(from, from + pages, (_from, length, place) => {
        collector.lifetimes.add(event.number - place.event, length);
      });
    });
  }

  changed(): void {}
  translated(): boolean {
    return false;
  }
  outside(): void {}
  refused(): void {}
  created(): void {}
  removing(): void {}
  mismatch(): void {}
  contradicted(): void {}
  moved(): void {}

  #collector(liobn: number): Collector {
    let collector = this.#windows.get(liobn);
    if (collector === undefined) {
      collector = new Collector(liobn);
      if (this.#windows.size < MAX_WINDOWS) this.#windows.set(liobn, collector);
    }
    return collector;
  }
}
