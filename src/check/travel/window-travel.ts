import type { Permission } from "../../base/permission.ts";
import { entryOf } from "../../base/u64.ts";
import { GET, INDIRECT, type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import type { WindowGeometry } from "../../spapr/window-geometry.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import type { TceTable } from "../../tce/tce-table.ts";
import type { Place } from "../findings/place.ts";
import type { RebuildWatch } from "../rebuild/observer.ts";
import type { Rebuild } from "../rebuild/rebuild.ts";
import { Certainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { RebuildCounts } from "../rebuild/verdicts.ts";
import type { WindowEvidence } from "../rebuild/window-evidence.ts";
import { stateOf } from "../state/window-state.ts";
import { EntryWrites, WrittenEntries } from "./entry-writes.ts";
import { BEFORE_ALL, LifeRows } from "./life-rows.ts";
import { WindowPlayer } from "./window-player.ts";
import type { DescribedSpan, Kept, Tables, TravelledWindow, WindowSpan } from "./window-span.ts";

/** Rows of {@link EntryWrites} between two states that are kept: replaying them takes a few milliseconds. */
const ROWS_BETWEEN = 2 ** 14;
/** States that are kept; of more every second one goes, and the next ones are farther apart. */
const MAX_KEPT = 1024;
/** Windows that come, are reshaped, and go: their numbers have 16 bits. */
const MAX_SPANS = 2 ** 16;

/** Entries that are looked at one by one: a driver's calls have 1 to 16, and a walk costs more. */
const FEW = 32;

/** What the first entry of a run holds, and whether its values grow. */
interface RunValue {
  readonly hi: number;
  readonly lo: number;
  readonly step: number;
}

const NOTHING: RunValue = { hi: 0, lo: 0, step: 0 };

/** A span as it is followed. */
interface Followed extends DescribedSpan {
  readonly rebuilt: RebuiltWindow;
  readonly geometry: WindowGeometry;
  assumed: readonly string[];
  /** How its geometry was known when these were noted last, and whether it was a guess what the window is at all. */
  how: WindowEvidence["how"];
  isGuess: boolean;
  /** Entries that are valid; {@link UNCOUNTED} where they have to be counted anew. */
  valid: number;
}

/** Something else than the usual was written since the entries of a window were counted. */
const UNCOUNTED = -1;

/**
 * Follows a trace of QEMU once, and has the windows after any of its events from then on, as `map --at` has them.
 *
 * Kept are the writes of all events, and now and then the state (which costs nothing: what nobody changes is shared).
 * A moment is the state before it, and the writes since then. Usual calls say themselves what they wrote; of whatever
 * else happens (windows come and go, calls are refused, events are missing) it is found by comparing what was before.
 *
 * It watches a rebuild that somebody else feeds.
 */
export class WindowTravel implements RebuildWatch {
  readonly lives: LifeRows = new LifeRows();
  #rebuild: Rebuild | undefined;
  readonly #writes = new EntryWrites();
  readonly #written = new WrittenEntries();
  readonly #spans: Followed[] = [];
  readonly #byLiobn = new Map<number, Followed>();
  /** The window of the event before: nearly all are of one. It is there, and is followed. */
  #last: Followed | undefined;
  #kept: Kept[] = [];
  #rowsBetween = ROWS_BETWEEN;
  #keepAt = 0;
  /** What the tables were before something that is compared. */
  #before: Map<Followed, Tables> | undefined;
  #event = 0;
  #isUsual = true;
  /** Entries that the event is about to store. */
  #touched: RebuiltWindow | undefined;
  #first = 0;
  #count = 0;
  /** Permission that the first of them had. */
  #was: Permission = 0;
  /** Looks of the trace that made entries known. */
  #learned = 0;
  #silentClears = 0;
  readonly #player: WindowPlayer;

  constructor() {
    this.#player = new WindowPlayer(this.#writes, this.#spans);
  }

  /** Who rebuilds the windows: to be called before the first event. */
  watch(rebuild: Rebuild): void {
    this.#rebuild = rebuild;
  }

  /** All windows that were there, as long as each lay in one place, in order. */
  get spans(): readonly WindowSpan[] {
    return this.#spans;
  }

  /** Number of the last event. */
  get lastEvent(): number {
    return this.#event;
  }

  /** Entries that are valid now in the window that has a LIOBN. */
  validEntries(liobn: number): number {
    const last = this.#last;
    // Not "last?.liobn": V8 compares what may be a number or nothing by a call.
    const followed = last !== undefined && last.liobn === liobn ? last : this.#byLiobn.get(liobn);
    if (followed === undefined || this.#before !== undefined)
      return this.#rebuild?.windows.get(liobn)?.window.table?.validCount ?? 0;
    if (followed.valid === UNCOUNTED) followed.valid = followed.rebuilt.window.table?.validCount ?? 0;
    return followed.valid;
  }

  before(event: QemuTraceEvent): void {
    this.#rebuild!.settle(event);
    if (this.#before !== undefined) this.#compare();
    const { kind } = event;
    this.#isUsual = kind === XLATE || kind === GET || (kind < XLATE && !event.failed);
    if (!this.#isUsual) this.#hold();
    this.#event = event.number;
  }

  after(event: QemuTraceEvent): void {
    // Nearly every event ends here.
    if (event.kind === XLATE && this.#rebuild!.plain !== undefined) return;
    if (this.#isUsual) this.#afterUsual(event);
    if (this.#writes.length >= this.#keepAt) this.#keep();
  }

  losing(): void {
    if (this.#before !== undefined) this.#compare();
    this.#hold();
  }

  ending(): void {
    if (this.#before === undefined) this.#hold();
  }

  ended(): void {
    this.#compare();
  }

  /** The windows after an event, by LIOBN, as they were then for ever. */
  at(event: number): TravelledWindow[] {
    return this.#player.go(
      event,
      this.#kept.findLast((kept) => kept.event <= event),
    );
  }

  changing(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    first: number,
    count: number,
    was: Permission,
  ): void {
    this.#touched = rebuilt;
    this.#first = first;
    this.#count = count;
    this.#was = was;
    if (count !== 1) this.#endLives(rebuilt, first, count, event.number);
    else if (was !== 0) this.#endLife(rebuilt, first, event.number);
  }

  created(): void {
    this.#last = undefined;
  }

  removing(rebuilt: RebuiltWindow, place: Place): void {
    this.#last = undefined;
    this.#endLives(rebuilt, 0, rebuilt.window.entries, place.event);
  }

  #spanOf(rebuilt: RebuiltWindow): number | undefined {
    return (this.#last?.rebuilt === rebuilt ? this.#last : this.#byLiobn.get(rebuilt.window.liobn))?.number;
  }

  /** What is mapped by one entry ends. */
  #endLife(rebuilt: RebuiltWindow, index: number, event: number): void {
    const span = this.#spanOf(rebuilt);
    if (span === undefined) return;
    const made = rebuilt.history.eventAt(index);
    this.lives.push(span, index, 1, made < 0 ? BEFORE_ALL : made, event);
  }

  /** What was mapped in these entries ends. */
  #endLives(rebuilt: RebuiltWindow, first: number, count: number, event: number): void {
    const { table } = rebuilt.window;
    const span = this.#spanOf(rebuilt);
    if (span === undefined || table === null) return;
    const { history } = rebuilt;
    if (count <= FEW) {
      // Entries that one event mapped are one life.
      let [from, since] = [first, -2];
      for (let index = first; index <= first + count; index++) {
        let made = -2;
        if (index < first + count) {
          table.load(index);
          if (permOf(table.lo) !== 0) made = history.eventAt(index);
        }
        if (made === since) continue;
        if (since !== -2) this.lives.push(span, from, index - from, since < 0 ? BEFORE_ALL : since, event);
        from = index;
        since = made;
      }
      return;
    }
    table.forEachStoredRun(first, first + count, (from, length, _hi, lo) => {
      if (permOf(lo) === 0) return;
      let at = from;
      history.forEachRun(from, from + length, (some, number, made) => {
        if (some > at) this.lives.push(span, at, some - at, BEFORE_ALL, event);
        this.lives.push(span, some, number, made.event, event);
        at = some + number;
      });
      if (at < from + length) this.lives.push(span, at, from + length - at, BEFORE_ALL, event);
    });
  }

  /** After a usual call or translation. */
  #afterUsual(event: QemuTraceEvent): void {
    const touched = this.#touched;
    this.#touched = undefined;
    const { counts } = this.#rebuild!;
    const learned = learnedOf(counts);
    const last = this.#last;
    const { liobn } = event;
    const isLast = last !== undefined && last.liobn === liobn;
    const followed = isLast ? last : this.#byLiobn.get(liobn);
    const rebuilt = isLast && last.rebuilt === touched ? touched : this.#rebuild!.windows.get(liobn);
    if (rebuilt === undefined) return;
    if (followed?.rebuilt !== rebuilt || followed.geometry !== rebuilt.window.geometry) {
      this.#learned = learned;
      this.#follow(rebuilt);
      return;
    }
    this.#last = followed;
    if (touched === rebuilt) this.#store(event, followed);
    else if (learned !== this.#learned) this.#show(event, followed);
    this.#learned = learned;
    this.#silentClears = counts.silentClears;
    if (followed.how !== rebuilt.evidence.how || followed.isGuess !== rebuilt.assumed) this.#note(followed);
  }

  /** Books what a successful call stored: all of a fill is known, and of a list the last entry. */
  #store({ kind, tceHi, tceLo }: QemuTraceEvent, followed: Followed): void {
    const { rebuilt } = followed;
    const [first, count] = [this.#first, this.#count];
    const table = rebuilt.window.table!;
    const last = first + count - 1;
    const isList = kind === INDIRECT && count > 1;
    const isLinear = isList && rebuilt.certainty(first) === Certainty.INFERRED;
    table.load(last);
    if (table.hi !== tceHi || table.lo !== tceLo || !rebuilt.knows(last) || (isList && !isLinear)) {
      // The engine did otherwise than the trace.
      this.#write(followed, first, count, true);
      return;
    }
    if (count !== 1) table.load(first);
    const step = isList && permOf(tceLo) !== 0 ? 1 : 0;
    if (count !== 1) followed.valid = UNCOUNTED;
    else if (followed.valid !== UNCOUNTED)
      followed.valid += (permOf(tceLo) === 0 ? 0 : 1) - (this.#was === 0 ? 0 : 1);
    this.#fill(followed, first, count, step);
    this.#writes.put(this.#written, isList ? Certainty.INFERRED : Certainty.KNOWN, true);
    if (isList) this.#writes.sure(this.#event, followed.number, last, 1, Certainty.KNOWN);
  }

  /** Fills the row with the value that was loaded last. */
  #fill({ number, rebuilt }: Followed, first: number, count: number, step: number): void {
    const written = this.#written;
    const { hi, lo } = rebuilt.window.table!;
    written.event = this.#event;
    written.span = number;
    written.first = first;
    written.count = count;
    written.hi = hi;
    written.lo = lo;
    written.step = step;
  }

  /** Books what a look at an entry showed. */
  #show({ kind, iobaHi, iobaLo }: QemuTraceEvent, followed: Followed): void {
    const { rebuilt } = followed;
    const { window } = rebuilt;
    if (this.#rebuild!.counts.silentClears !== this.#silentClears) {
      // A table of VIO that was cleared without a line.
      this.#endLives(rebuilt, 0, window.entries, this.#event);
      this.#write(followed, 0, window.entries, false);
      return;
    }
    const index = kind === GET ? window.indexOf(iobaHi, iobaLo) : entryOf(iobaHi, iobaLo, window.pageShift);
    if (index >= window.entries) return;
    window.table!.load(index);
    followed.valid = UNCOUNTED;
    this.#fill(followed, index, 1, 0);
    this.#writes.put(this.#written, rebuilt.certainty(index), false);
  }

  /**
   * Books what is in entries now.
   *
   * @param isStored by the last event
   */
  #write(followed: Followed, first: number, count: number, isStored: boolean): void {
    const { rebuilt, number } = followed;
    const end = first + count;
    let at = first;
    followed.valid = UNCOUNTED;
    rebuilt.window.table!.forEachStoredRun(first, end, (from, length, hi, lo, step) => {
      if (from > at) this.#value(number, at, from - at, NOTHING);
      this.#value(number, from, length, { hi, lo, step });
      at = from + length;
    });
    if (end > at) this.#value(number, at, end - at, NOTHING);
    rebuilt.forEachCertainty(first, end, (from, length, certainty) => {
      this.#writes.sure(this.#event, number, from, length, certainty);
    });
    if (isStored) this.#writes.made(this.#event, number, first, count, this.#event);
  }

  #value(span: number, first: number, count: number, value: RunValue): void {
    const written = Object.assign(this.#written, value);
    written.event = this.#event;
    written.span = span;
    written.first = first;
    written.count = count;
    this.#writes.value(written);
  }

  /** Begins a span with all that is in a window; the one before it ends. */
  #follow(rebuilt: RebuiltWindow): void {
    const { window } = rebuilt;
    const { liobn, busOffset, pageShift, entries, geometry } = window;
    this.#unfollow(liobn);
    if (this.#spans.length === MAX_SPANS) return;
    const number = this.#spans.length;
    const from = this.#event;
    const place = { number, liobn, busOffset, pageShift, entries, from, until: Infinity };
    const followed: Followed = {
      ...place,
      rebuilt,
      geometry,
      facts: [],
      assumed: [],
      how: rebuilt.evidence.how,
      isGuess: rebuilt.assumed,
      valid: UNCOUNTED,
    };
    this.#spans.push(followed);
    this.#byLiobn.set(liobn, followed);
    this.#note(followed);
    window.table?.forEachStoredRun(0, entries, (first, count, hi, lo, step) => {
      this.#value(number, first, count, { hi, lo, step });
    });
    rebuilt.forEachCertainty(0, entries, (first, count, certainty) => {
      if (certainty !== Certainty.KNOWN) this.#writes.sure(this.#event, number, first, count, certainty);
    });
    rebuilt.history.forEachRun(0, entries, (first, count, place) => {
      this.#writes.made(this.#event, number, first, count, place.event);
    });
  }

  #unfollow(liobn: number): void {
    const followed = this.#byLiobn.get(liobn);
    if (followed !== undefined) followed.until = this.#event;
    this.#byLiobn.delete(liobn);
    this.#last = undefined;
  }

  #note(followed: Followed): void {
    const { table: _table, certainties: _certainties, ...facts } = stateOf(followed.rebuilt);
    followed.how = followed.rebuilt.evidence.how;
    followed.isGuess = facts.isGuess;
    followed.facts.push({ event: this.#event, facts });
    followed.assumed = facts.assumedParts;
  }

  /** Keeps the tables as they are, to compare them afterwards. */
  #hold(): void {
    this.#last = undefined;
    this.#before = new Map();
    for (const followed of this.#byLiobn.values()) {
      const { window } = followed.rebuilt;
      if (window.table === null) continue;
      this.#before.set(followed, tablesOf(followed.rebuilt, window.table));
    }
  }

  /** Books all differences from {@link #hold} on. They are of the event before the next one. */
  #compare(): void {
    const before = this.#before!;
    const windows = this.#rebuild!.windows;
    this.#before = undefined;
    this.#touched = undefined;
    this.#last = undefined;
    this.#learned = learnedOf(this.#rebuild!.counts);
    for (const [liobn, { rebuilt }] of [...this.#byLiobn])
      if (windows.get(liobn) !== rebuilt) this.#unfollow(liobn);
    for (const rebuilt of windows.values()) {
      const followed = this.#byLiobn.get(rebuilt.window.liobn);
      const was = followed === undefined ? undefined : before.get(followed);
      if (followed === undefined || was === undefined || followed.geometry !== rebuilt.window.geometry)
        this.#follow(rebuilt);
      else this.#compareTables(followed, was);
    }
  }

  #compareTables(followed: Followed, was: Tables): void {
    const { number, rebuilt } = followed;
    followed.valid = UNCOUNTED;
    diff(was.table, rebuilt.window.table!, (first, count, _hi, _lo, _step, hi, lo, step) => {
      this.#value(number, first, count, { hi, lo, step });
    });
    diff(was.certainties, rebuilt.certainties(), (first, count, _hi, _lo, _step, _isHi, certainty) => {
      this.#writes.sure(this.#event, number, first, count, certainty);
    });
    diff(was.since, rebuilt.history.snapshot(), (first, count, _hi, _lo, _step, made) => {
      this.#writes.made(this.#event, number, first, count, made - 1);
    });
    this.#note(followed);
  }

  /** Keeps the state after the last event, unless that is not told to its end yet. */
  #keep(): void {
    if (this.#before !== undefined) return;
    const rows = this.#writes.length;
    const tables = new Map<number, Tables>();
    for (const { number, rebuilt } of this.#byLiobn.values()) {
      const { table } = rebuilt.window;
      if (table !== null) tables.set(number, tablesOf(rebuilt, table));
    }
    this.#kept.push({ event: this.#event, rows, tables });
    if (this.#kept.length > MAX_KEPT) {
      this.#kept = this.#kept.filter((_, i) => i % 2 === 0);
      this.#rowsBetween *= 2;
    }
    this.#keepAt = rows + this.#rowsBetween;
  }
}

/** All that is kept of a window at a moment. */
const tablesOf = (rebuilt: RebuiltWindow, table: TceTable): Tables => ({
  table: table.snapshot(),
  certainties: rebuilt.certainties(),
  since: rebuilt.history.snapshot(),
});

/** Entries that looks made known, or made sure of. */
const learnedOf = ({ learned, confirmed, contradicted, silentClears }: RebuildCounts): number =>
  learned + confirmed + contradicted + silentClears;
