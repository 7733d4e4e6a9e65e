import type { Permission } from "../../base/permission.ts";
import { entryOf } from "../../base/u64.ts";
import { GET, INDIRECT, type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import type { WindowGeometry } from "../../spapr/window-geometry.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import type { TceTable } from "../../tce/tce-table.ts";
import type { RebuildWatch } from "../rebuild/observer.ts";
import type { Rebuild } from "../rebuild/rebuild.ts";
import { Certainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { RebuildCounts } from "../rebuild/verdicts.ts";
import type { WindowEvidence } from "../rebuild/window-evidence.ts";
import { stateOf } from "../state/window-state.ts";
import { EntryWrites } from "./entry-writes.ts";
import { WindowPlayer } from "./window-player.ts";
import type { DescribedSpan, Kept, Tables, TravelledWindow, WindowSpan } from "./window-span.ts";
import { BEFORE_ALL, type RunValue, type WrittenStretch } from "./written.ts";

/** Rows of {@link EntryWrites} between two states that are kept: replaying them takes a few milliseconds. */
const ROWS_BETWEEN = 2 ** 15;
/** States that are kept; of more every second one goes, and the next ones are farther apart. */
const MAX_KEPT = 1024;
/** Windows that come, are reshaped, and go: their numbers have 16 bits. */
const MAX_SPANS = 2 ** 16;

/** Entries that are looked at one by one: a driver's calls have 1 to 16, and a walk costs more. */
const FEW = 32;

/** The start of what was not mapped. */
const NOT_MAPPED = -2;

const NOTHING: RunValue = { hi: 0, lo: 0, step: 0 };

/** A span as it is followed. */
interface Followed extends DescribedSpan {
  readonly rebuilt: RebuiltWindow;
  readonly geometry: WindowGeometry;
  assumed: readonly string[];
  /** How its geometry was known when these were noted last, and whether it was a guess what the window is at all. */
  how: WindowEvidence["how"];
  isGuess: boolean;
}

/**
 * Follows a trace of QEMU once, and has the windows after any of its events from then on, as `map --at` has them.
 *
 * Kept are the writes of all events, and now and then the state (which costs nothing: what nobody changes is shared).
 * A moment is the state before it, and the writes since then. Usual calls say themselves what they wrote, nearly each in one row;
 * of whatever else happens (windows come and go, calls are refused, events are missing) it is found by comparing what was
 * before. All else that somebody wants to know is read out of the rows when it is asked for.
 *
 * It watches a rebuild that somebody else feeds.
 */
export class WindowTravel implements RebuildWatch {
  readonly writes: EntryWrites = new EntryWrites();
  #rebuild: Rebuild | undefined;
  readonly #spans: Followed[] = [];
  readonly #byLiobn = new Map<number, Followed>();
  /** The window of the call before: nearly all are of one. It is there, and is followed. */
  #last: Followed | undefined;
  #kept: Kept[] = [];
  #rowsBetween = ROWS_BETWEEN;
  #keepAt = 0;
  /** What the tables were before something that is compared. */
  #before: Map<Followed, Tables> | undefined;
  #event = 0;
  /** Is it left to be seen after the event what it did? Not of a usual call, which says it, and not of what is compared. */
  #isLeft = true;
  /** Entries that the event is about to store, */
  #touched: RebuiltWindow | undefined;
  #first = 0;
  #count = 0;
  /** and, of one, who mapped it. */
  #start = NOT_MAPPED;
  /** Looks of the trace that made entries known. */
  #learned = 0;
  #silentClears = 0;
  readonly #player: WindowPlayer;

  constructor() {
    this.#player = new WindowPlayer(this.writes, this.#spans);
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

  before(event: QemuTraceEvent): void {
    this.#rebuild!.settle(event);
    if (this.#before !== undefined) this.#compare();
    this.#event = event.number;
    const { kind } = event;
    this.#isLeft = kind === XLATE || kind === GET || (kind < XLATE && !event.failed);
    if (!this.#isLeft) this.#hold();
  }

  after(event: QemuTraceEvent): void {
    // Nearly every event ends here.
    if (!this.#isLeft || (event.kind === XLATE && this.#rebuild!.plain !== undefined)) return;
    this.#afterOther(event);
    this.#touched = undefined;
    if (this.writes.length >= this.#keepAt) this.#keep();
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
    _event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    first: number,
    count: number,
    was: Permission,
  ): void {
    this.#touched = rebuilt;
    this.#first = first;
    this.#count = count;
    this.#start = count === 1 && was !== 0 ? rebuilt.history.eventAt(first) : NOT_MAPPED;
    if (count !== 1) this.#endLives(rebuilt, first, count);
  }

  changed(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    const last = this.#last?.rebuilt === rebuilt ? this.#last : this.#turnTo(rebuilt);
    // A window that is new, or another one by now, begins with all that is in it.
    if (last === undefined || last.geometry !== rebuilt.window.geometry) return;
    if (this.#count !== 1) this.#storeMore(event, last);
    else if (this.#start === NOT_MAPPED)
      this.writes.put(this.#event, last.number, this.#first, event.tceHi, event.tceLo);
    else this.#replace(event, last.number);
    if (last.how !== rebuilt.evidence.how || last.isGuess !== rebuilt.assumed) this.#note(last);
    this.#isLeft = false;
    this.#touched = undefined;
    if (this.writes.length >= this.#keepAt) this.#keep();
  }

  created(): void {
    this.#last = undefined;
  }

  removing(rebuilt: RebuiltWindow): void {
    this.#endLives(rebuilt, 0, rebuilt.window.entries);
    this.#last = undefined;
  }

  #turnTo(rebuilt: RebuiltWindow): Followed | undefined {
    const followed = this.#byLiobn.get(rebuilt.window.liobn);
    this.#last = followed?.rebuilt === rebuilt ? followed : undefined;
    return this.#last;
  }

  /** Books that a call stored one entry that was mapped. */
  #replace({ tceHi, tceLo }: QemuTraceEvent, span: number): void {
    const { writes } = this;
    const start = startOf(this.#start);
    if ((tceHi | tceLo) === 0) {
      writes.unmap(this.#event, span, this.#first, start);
      return;
    }
    writes.ended(this.#where(span, this.#first, 1), start);
    writes.put(this.#event, span, this.#first, tceHi, tceLo);
  }

  /** Books what a call stored in several entries: all of a fill is known, and of a list the last entry. */
  #storeMore({ kind, tceHi, tceLo }: QemuTraceEvent, followed: Followed): void {
    const { rebuilt } = followed;
    const [first, count] = [this.#first, this.#count];
    const where = this.#where(followed.number, first, count);
    if (kind !== INDIRECT) {
      this.writes.stored(where, { hi: tceHi, lo: tceLo, step: 0 }, Certainty.KNOWN);
      return;
    }
    if (rebuilt.certainty(first) !== Certainty.INFERRED) {
      this.#write(followed, first, count, true);
      return;
    }
    const table = rebuilt.window.table!;
    table.load(first);
    const value = { hi: table.hi, lo: table.lo, step: permOf(tceLo) === 0 ? 0 : 1 };
    this.writes.stored(where, value, Certainty.INFERRED);
    this.writes.sure(this.#where(followed.number, first + count - 1, 1), Certainty.KNOWN);
  }

  /** What was mapped in these entries ends. */
  #endLives(rebuilt: RebuiltWindow, first: number, count: number): void {
    const { table } = rebuilt.window;
    const span = this.#turnTo(rebuilt)?.number;
    if (span === undefined || table === null) return;
    const end = (at: number, some: number, start: number): void =>
      this.writes.ended(this.#where(span, at, some), startOf(start));
    const { history } = rebuilt;
    if (count <= FEW) {
      // Entries that one event mapped are one life.
      let [from, since] = [first, NOT_MAPPED];
      for (let index = first; index <= first + count; index++) {
        let made = NOT_MAPPED;
        if (index < first + count) {
          table.load(index);
          if (permOf(table.lo) !== 0) made = history.eventAt(index);
        }
        if (made === since) continue;
        if (since !== NOT_MAPPED) end(from, index - from, since);
        from = index;
        since = made;
      }
      return;
    }
    table.forEachStoredRun(first, first + count, (from, length, _hi, lo) => {
      if (permOf(lo) === 0) return;
      let at = from;
      history.forEachRun(from, from + length, (some, number, made) => {
        if (some > at) end(at, some - at, -1);
        end(some, number, made.event);
        at = some + number;
      });
      if (at < from + length) end(at, from + length - at, -1);
    });
  }

  /** After a look, or a call that did not do what it usually does. */
  #afterOther(event: QemuTraceEvent): void {
    const touched = this.#touched;
    const { liobn } = event;
    const rebuilt = this.#rebuild!.windows.get(liobn);
    if (touched !== undefined && this.#start !== NOT_MAPPED) {
      const span = this.#turnTo(touched)?.number;
      if (span !== undefined) this.writes.ended(this.#where(span, this.#first, 1), startOf(this.#start));
    }
    if (rebuilt === undefined) return;
    const followed = this.#turnTo(rebuilt);
    const { counts } = this.#rebuild!;
    const learned = learnedOf(counts);
    if (followed === undefined || followed.geometry !== rebuilt.window.geometry) this.#follow(rebuilt);
    else {
      if (touched === rebuilt) this.#write(followed, this.#first, this.#count, true);
      else if (learned !== this.#learned) this.#show(event, followed);
      if (followed.how !== rebuilt.evidence.how || followed.isGuess !== rebuilt.assumed) this.#note(followed);
    }
    this.#learned = learned;
    this.#silentClears = counts.silentClears;
  }

  #where(span: number, first: number, count: number): WrittenStretch {
    return { event: this.#event, span, first, count };
  }

  /** Books what a look at an entry showed. */
  #show({ kind, iobaHi, iobaLo }: QemuTraceEvent, followed: Followed): void {
    const { rebuilt } = followed;
    const { window } = rebuilt;
    if (this.#rebuild!.counts.silentClears !== this.#silentClears) {
      // A table of VIO that was cleared without a line.
      this.#endLives(rebuilt, 0, window.entries);
      this.#write(followed, 0, window.entries, false);
      return;
    }
    const index = kind === GET ? window.indexOf(iobaHi, iobaLo) : entryOf(iobaHi, iobaLo, window.pageShift);
    if (index < window.entries) this.#write(followed, index, 1, false);
  }

  /**
   * Books what is in entries now.
   *
   * @param isStored by the last event
   */
  #write(followed: Followed, first: number, count: number, isStored: boolean): void {
    const { rebuilt, number } = followed;
    const table = rebuilt.window.table!;
    const end = first + count;
    let at = first;
    table.forEachStoredRun(first, end, (from, length, hi, lo, step) => {
      if (from > at) this.writes.value(this.#where(number, at, from - at), NOTHING);
      this.writes.value(this.#where(number, from, length), { hi, lo, step });
      at = from + length;
    });
    if (end > at) this.writes.value(this.#where(number, at, end - at), NOTHING);
    rebuilt.forEachCertainty(first, end, (from, length, certainty) => {
      this.writes.sure(this.#where(number, from, length), certainty);
    });
    if (isStored) this.writes.made(this.#where(number, first, count), this.#event);
    this.writes.counted(this.#event, number, table.validCount);
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
    };
    this.#spans.push(followed);
    this.#byLiobn.set(liobn, followed);
    this.#note(followed);
    window.table?.forEachStoredRun(0, entries, (first, count, hi, lo, step) => {
      this.writes.value(this.#where(number, first, count), { hi, lo, step });
    });
    rebuilt.forEachCertainty(0, entries, (first, count, certainty) => {
      if (certainty !== Certainty.KNOWN) this.writes.sure(this.#where(number, first, count), certainty);
    });
    rebuilt.history.forEachRun(0, entries, (first, count, place) => {
      this.writes.made(this.#where(number, first, count), place.event);
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
    const table = rebuilt.window.table!;
    diff(was.table, table, (first, count, _hi, _lo, _step, hi, lo, step) => {
      this.writes.value(this.#where(number, first, count), { hi, lo, step });
    });
    diff(was.certainties, rebuilt.certainties(), (first, count, _hi, _lo, _step, _isHi, certainty) => {
      this.writes.sure(this.#where(number, first, count), certainty);
    });
    diff(was.since, rebuilt.history.snapshot(), (first, count, _hi, _lo, _step, made) => {
      this.writes.made(this.#where(number, first, count), made - 1);
    });
    this.writes.counted(this.#event, number, table.validCount);
    this.#note(followed);
  }

  /** Keeps the state after the last event, unless that is not told to its end yet. */
  #keep(): void {
    if (this.#before !== undefined) return;
    const rows = this.writes.length;
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

/** Who mapped something, as rows say it. */
const startOf = (made: number): number => (made < 0 ? BEFORE_ALL : made);

/** Entries that looks made known, or made sure of. */
const learnedOf = ({ learned, confirmed, contradicted, silentClears }: RebuildCounts): number =>
  learned + confirmed + contradicted + silentClears;
