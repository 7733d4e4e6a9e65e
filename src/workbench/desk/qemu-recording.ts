import { hex, toBig } from "../../base/u64.ts";
import { BEFORE_ALL } from "../../check/travel/life-rows.ts";
import { type TravelledWindow, WindowTravel } from "../../check/travel/window-travel.ts";
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
import type { Gap, TraceFormat } from "../../formats/trace/trace-reader.ts";
import { buidOf } from "../../spapr/papr.ts";
import { permOf } from "../../tce/tce.ts";
import { type ChangeRow, EVENT_CLASSES, type EventClass, type FileLine, type Space } from "../protocol.ts";
import type { Contents } from "./contents.ts";
import { EventRows } from "./event-rows.ts";
import type { LifePicture } from "./life-picture.ts";
import type { LifeLengths, Recording } from "./recording.ts";
import type { TraceLines } from "./trace-lines.ts";
import { changesOfWindows } from "./window-changes.ts";
import { WindowContents } from "./window-contents.ts";

const CLASS = Object.fromEntries(EVENT_CLASSES.map((name, i) => [name, i])) as Record<EventClass, number>;

/** LIOBN of the first window of the first bridge, and how many numbers a bridge has. */
const FIRST_LIOBN = 0x8000_0000;
const LIOBNS_OF_BRIDGE = 0x100;

/** A trace of QEMU: its windows, each as long as it lies in one place, and lanes by LIOBN. */
export class QemuRecording implements Recording {
  readonly format: TraceFormat;
  readonly rows: EventRows = new EventRows();
  readonly notes: string[] = [];
  readonly hasLines = true;
  readonly #travel: WindowTravel;
  readonly #lines: TraceLines;
  readonly #lanes = new Map<number, number>();
  #at: { event: number; last: number; windows: readonly TravelledWindow[] } | undefined;

  constructor(format: TraceFormat, lines: TraceLines) {
    this.format = format;
    this.#travel = new WindowTravel();
    this.#lines = lines;
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    this.#travel.handle(event);
    const liobn = liobnOf(event);
    const { position: line, seconds, nanoseconds } = event;
    const table = this.#travel.rebuild.windows.get(liobn)?.window.table;
    const mapped = table?.validCount ?? 0;
    const lane = this.#laneOf(liobn);
    this.rows.push({ line, seconds, nanoseconds, lane, kind: classOf(event), mapped });
  }

  gap(gap: Gap): void {
    this.#travel.gap(gap);
  }

  /** To be called after the last event. */
  end(): void {
    this.#travel.end();
  }

  #laneOf(liobn: number): number {
    let lane = this.#lanes.get(liobn);
    if (lane === undefined) {
      lane = this.rows.lane(hex(liobn));
      this.#lanes.set(liobn, lane);
    }
    return lane;
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
    const last = this.rows.length;
    if (this.#at?.event === event && this.#at.last === last) return this.#at.windows;
    const windows = this.#travel.at(event);
    this.#at = { event, last, windows };
    return windows;
  }

  contents({ number }: Space, event: number): Contents | undefined {
    const window = this.#windowsAt(event).find(({ span }) => span === number);
    return window === undefined ? undefined : new WindowContents(window);
  }

  changes(from: number, to: number, visit: (change: ChangeRow) => void): void {
    const before = this.#travel.at(from);
    changesOfWindows(before, this.#travel.at(to), visit);
  }

  draw(space: Space, picture: LifePicture): void {
    const { lives } = this.#travel;
    for (let row = lives.ends.firstFrom(picture.from); row < lives.length; row++) {
      if (lives.spans.at(row) !== space.number) continue;
      const start = lives.starts.at(row);
      const from = start === BEFORE_ALL ? -1 : start;
      picture.add(from, lives.ends.at(row), lives.firsts.at(row), lives.counts.at(row));
    }
    const end = this.contents(space, Math.min(space.until - 1, this.#travel.lastEvent));
    if (!(end instanceof WindowContents) || space.until <= this.#travel.lastEvent) return;
    end.forEachAlive((first, count, event) => picture.add(event, Number.POSITIVE_INFINITY, first, count));
  }

  lengths({ number }: Space, from: number, to: number, first: number, end: number): LifeLengths {
    const { lives } = this.#travel;
    const lengths: number[] = [];
    for (let row = lives.ends.firstFrom(from); row < lives.length && lives.ends.at(row) <= to; row++) {
      if (lives.spans.at(row) !== number) continue;
      const at = lives.firsts.at(row);
      if (at >= end || at + lives.counts.at(row) <= first) continue;
      const start = lives.starts.at(row);
      if (start !== BEFORE_ALL) lengths.push(lives.ends.at(row) - start);
    }
    return lengths;
  }

  lines(event: number, before: number, after: number): Promise<FileLine[]> {
    return this.#lines.around(this.rows, event, before, after);
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
  if (kind === XLATE) return event.perm === 0 ? CLASS.fault : CLASS.use;
  if (kind === PUT || kind === STUFF || kind === INDIRECT) {
    if (event.failed) return CLASS.refused;
    return permOf(event.tceLo) === 0 ? CLASS.unmap : CLASS.map;
  }
  if (kind === GET) return event.failed ? CLASS.refused : CLASS.other;
  return kind === DDW_QUERY ? CLASS.other : CLASS.moment;
}
