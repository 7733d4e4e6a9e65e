import type { Permission } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import type { Finding } from "../../check/findings/finding.ts";
import type { RebuildWatch } from "../../check/rebuild/observer.ts";
import type { Rebuild } from "../../check/rebuild/rebuild.ts";
import type { RebuiltWindow } from "../../check/rebuild/rebuilt-window.ts";
import type { TravelledWindow } from "../../check/travel/window-span.ts";
import { WindowTravel } from "../../check/travel/window-travel.ts";
import { BEFORE_ALL } from "../../check/travel/written.ts";
import {
  DDW_QUERY,
  DDW_RESET,
  GET,
  INDIRECT,
  PUT,
  type QemuTraceEvent,
  STUFF,
  XLATE,
} from "../../formats/trace/trace-event.ts";
import type { TraceFormat } from "../../formats/trace/trace-reader.ts";
import { buidOf } from "../../spapr/papr.ts";
import { permOf } from "../../tce/tce.ts";
import { EVENT_CLASSES, type EventClass, type FileLine, type Space } from "../protocol.ts";
import type { Steps } from "./breathe.ts";
import type { Contents } from "./contents.ts";
import { EventRows } from "./event-rows.ts";
import type { LifeTaker } from "./life-picture.ts";
import { type InstantState, type LifeLengths, type Recording, STEP_LIVES } from "./recording.ts";
import type { TraceLines } from "./trace-lines.ts";
import { WindowContents } from "./window-contents.ts";

const CLASS = Object.fromEntries(EVENT_CLASSES.map((name, i) => [name, i])) as Record<EventClass, number>;
// V8 folds a constant of the module itself, but loads a property each time.
const [USE, FAULT, MAP, UNMAP] = [CLASS.use, CLASS.fault, CLASS.map, CLASS.unmap];

/** LIOBN of the first window of the first bridge, and how many numbers a bridge has. */
const FIRST_LIOBN = 0x8000_0000;
const LIOBNS_OF_BRIDGE = 0x100;

/** A trace of QEMU: its windows, each as long as it lies in one place, and lanes by LIOBN. It watches their rebuild. */
export class QemuRecording implements Recording, RebuildWatch {
  format: TraceFormat = "qemu-log";
  readonly #rows = new EventRows();
  /** Rows of writes that were counted, and how many entries are valid in each span after them. */
  #counted = 0;
  readonly #valid: number[] = [];
  readonly notes: string[] = [];
  readonly hasLines = true;
  readonly #travel = new WindowTravel();
  readonly #lines: TraceLines;
  readonly #lanes = new Map<number, number>();
  #lastLiobn = -1;
  #lastLane = 0;
  #rebuild: Rebuild | undefined;
  /** The window of the last event, if its lane is the last one; nearly all events are of one. */
  #last: RebuiltWindow | undefined;
  /** The window of which the event stores entries. */
  #touched: RebuiltWindow | undefined;
  #at: { event: number; last: number; windows: readonly TravelledWindow[] } | undefined;

  constructor(lines: TraceLines) {
    this.#lines = lines;
  }

  /** Who rebuilds the windows: to be called before the first event. */
  watch(rebuild: Rebuild): void {
    this.#rebuild = rebuild;
    this.#travel.watch(rebuild);
  }

  before(event: QemuTraceEvent): void {
    this.#travel.before(event);
  }

  after(event: QemuTraceEvent): void {
    if (event.kind === XLATE) {
      const { plain } = this.#rebuild!;
      if (plain !== undefined && plain === this.#last) {
        this.#push(event, USE);
        return;
      }
    }
    this.#travel.after(event);
    const touched = this.#touched;
    if (touched === undefined || touched !== this.#last) this.#afterOther(event, touched);
    else this.#push(event, permOf(event.tceLo) === 0 ? UNMAP : MAP);
    this.#touched = undefined;
  }

  #afterOther(event: QemuTraceEvent, touched: RebuiltWindow | undefined): void {
    const liobn = liobnOf(event);
    const lane = this.#laneOf(liobn);
    this.#lastLiobn = liobn;
    this.#lastLane = lane;
    this.#last = event.kind === XLATE ? this.#rebuild!.plain : touched;
    this.#push(event, classOf(event));
  }

  #push(event: QemuTraceEvent, kind: number): void {
    const rows = this.#rows;
    if (rows.areTimed) rows.time(event.seconds, event.nanoseconds);
    rows.push(event.position, this.#lastLane, kind);
  }

  changing(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    first: number,
    count: number,
    was: Permission,
  ): void {
    this.#touched = rebuilt;
    this.#travel.changing(event, rebuilt, first, count, was);
  }

  changed(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    this.#travel.changed(event, rebuilt);
  }

  created(): void {
    this.#travel.created();
  }

  removing(rebuilt: RebuiltWindow): void {
    this.#travel.removing(rebuilt);
  }

  losing(): void {
    this.#travel.losing();
  }

  ending(): void {
    this.#travel.ending();
  }

  ended(): void {
    this.#travel.ended();
  }

  #laneOf(liobn: number): number {
    if (liobn === this.#lastLiobn) return this.#lastLane;
    let lane = this.#lanes.get(liobn);
    if (lane === undefined) {
      lane = this.#rows.lane(hex(liobn));
      this.#lanes.set(liobn, lane);
    }
    return lane;
  }

  /** The events; how many pages are mapped after each is counted when somebody asks, as a loop over many takes less than a step at each. */
  get rows(): EventRows {
    const { writes, spans } = this.#travel;
    if (this.#counted < writes.length) {
      const lanes = spans.map(({ liobn }) => this.#laneOf(liobn));
      this.#counted = writes.count(this.#counted, this.#valid, (event, span, valid) =>
        this.#rows.mapped(lanes[span]!, valid, event),
      );
    }
    return this.#rows;
  }

  get spaces(): Space[] {
    return this.#travel.spans.map((span) => ({
      number: span.number,
      name: hex(span.liobn),
      kind: "window",
      lane: this.#laneOf(span.liobn),
      start: span.busOffset,
      pageShift: span.pageShift,
      pages: span.entries,
      from: span.from,
      until: span.until,
      assumed: span.assumed,
    }));
  }

  #windowsAt(event: number): readonly TravelledWindow[] {
    const last = this.#rows.length;
    if (this.#at?.event === event && this.#at.last === last) return this.#at.windows;
    const windows = this.#travel.at(event);
    this.#at = { event, last, windows };
    return windows;
  }

  contents({ number }: Space, event: number): Contents | undefined {
    const window = this.#windowsAt(event).find(({ span }) => span === number);
    return window === undefined ? undefined : new WindowContents(window);
  }

  eventsOf({ events }: Finding): readonly number[] {
    return events;
  }

  stateAt(event: number): InstantState {
    return { windows: this.#travel.at(event), spaces: [] };
  }

  *draw(space: Space, picture: LifeTaker): Steps<void> {
    const { writes } = this.#travel;
    const [from, to] = writes.rowsOf(Math.max(space.from, picture.from), space.until);
    for (let row = from; row < to; row += STEP_LIVES) {
      writes.forEachEnded(space.number, [row, Math.min(to, row + STEP_LIVES)], (first, count, start, end) =>
        picture.add(start === BEFORE_ALL ? -1 : start, end, first, count),
      );
      yield;
    }
    const { lastEvent } = this.#travel;
    const alive = space.until > lastEvent ? this.contents(space, lastEvent) : undefined;
    if (alive instanceof WindowContents)
      alive.forEachAlive((first, count, event) => picture.add(event, Number.POSITIVE_INFINITY, first, count));
  }

  lengths({ number }: Space, from: number, to: number, first: number, end: number): LifeLengths {
    const { writes } = this.#travel;
    const lengths: number[] = [];
    writes.forEachEnded(number, writes.rowsOf(from, to), (at, count, start, ended) => {
      if (at < end && at + count > first && start !== BEFORE_ALL) lengths.push(ended - start);
    });
    return lengths;
  }

  lines(event: number, before: number, after: number): Promise<FileLine[]> {
    return this.#lines.around(this.rows, event, before, after);
  }

  linesOf(events: readonly number[]): Promise<FileLine[]> {
    return this.#lines.of(this.rows, events);
  }

  find(text: string, event: number, limit: number, goesOn: () => boolean): Promise<FileLine[]> {
    return this.#lines.find(this.rows, text, event, limit, goesOn);
  }
}

/** The window of an event; of one that names a bridge, the default window of that. */
function liobnOf(event: QemuTraceEvent): number {
  const { kind, buidHi, buidLo } = event;
  if (kind !== DDW_QUERY && kind !== DDW_RESET) return event.liobn;
  return FIRST_LIOBN + Number(toBig(buidHi, buidLo) - buidOf(0)) * LIOBNS_OF_BRIDGE;
}

function classOf(event: QemuTraceEvent): number {
  const { kind } = event;
  if (kind === XLATE) return event.perm === 0 ? FAULT : USE;
  if (kind === PUT || kind === STUFF || kind === INDIRECT) {
    if (event.failed) return CLASS.refused;
    return permOf(event.tceLo) === 0 ? UNMAP : MAP;
  }
  if (kind === GET) return event.failed ? CLASS.refused : CLASS.other;
  return kind === DDW_QUERY ? CLASS.other : CLASS.moment;
}
