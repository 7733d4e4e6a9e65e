import { entryOf } from "../../base/u64.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { GET, type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import type { Gap } from "../../formats/trace/trace-reader.ts";
import type { WindowGeometry } from "../../spapr/window-geometry.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import type { Place } from "../findings/place.ts";
import type { RebuildObserver } from "../rebuild/observer.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import { Certainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { RebuildCounts } from "../rebuild/verdicts.ts";
import { stateOf, type WindowState } from "../state/window-state.ts";
import { EntryWrites, type WriteVisitor } from "./entry-writes.ts";
import { BEFORE_ALL, LifeRows } from "./life-rows.ts";

/** Rows of {@link EntryWrites} between two states that are kept: replaying them takes some milliseconds. */
const ROWS_BETWEEN = 2 ** 16;
/** States that are kept; of more every second one goes, and the next ones are farther apart. */
const MAX_KEPT = 256;
/** Windows that come, are reshaped, and go: their numbers have 16 bits. */
const MAX_SPANS = 2 ** 16;

/** A window as long as it lies in one place. */
export interface WindowSpan {
  readonly number: number;
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly entries: number;
  /** What of this nobody told: `start`, `page`, `size`. */
  readonly assumed: readonly string[];
  /** It is there after this event, */
  readonly from: number;
  /** and no longer after this one; Infinity while it is there. */
  until: number;
}

/** A window at a moment, with the event that mapped each entry. */
export interface TravelledWindow extends WindowState {
  readonly span: number;
  /** High half of an entry: the number of the event that changed it last, and 1; 0: before the recording, or not known. */
  readonly since: TceView;
}

type Facts = Omit<WindowState, "table" | "certainties">;

/** A span as it is followed. */
interface Followed extends WindowSpan {
  readonly rebuilt: RebuiltWindow;
  readonly geometry: WindowGeometry;
  /** What else is said of the window, from which event on. */
  readonly facts: { readonly event: number; readonly facts: Facts }[];
  assumed: readonly string[];
  /** What was sure of its geometry when these were noted last. */
  evidence: number;
}

interface Tables<Table extends TceView = TceView> {
  readonly table: Table;
  readonly certainties: Table;
  readonly since: Table;
}

/** All windows after an event. */
interface Kept {
  readonly event: number;
  /** Rows of writes that are in it. */
  readonly rows: number;
  readonly tables: ReadonlyMap<number, Tables>;
}

/**
 * Reads a trace of QEMU once, and has the windows after any of its events from then on, as `map --at` has them.
 *
 * Kept are the writes of all events, and now and then the state (which costs nothing: what nobody changes is shared).
 * A moment is the state before it, and the writes since then. Usual calls say themselves what they wrote; of whatever
 * else happens (windows come and go, calls are refused, events are missing) it is found by comparing what was before.
 */
export class WindowTravel implements RebuildObserver {
  readonly rebuild: Rebuild;
  readonly lives: LifeRows = new LifeRows();
  readonly #writes = new EntryWrites();
  readonly #spans: Followed[] = [];
  readonly #byLiobn = new Map<number, Followed>();
  #kept: Kept[] = [];
  #rowsBetween = ROWS_BETWEEN;
  #keepAt = 0;
  /** What the tables were before something that is compared. */
  #before: Map<Followed, Tables> | undefined;
  #event = 0;
  /** Entries that the event is about to store. */
  #touched: RebuiltWindow | undefined;
  #first = 0;
  #count = 0;
  /** Looks of the trace that made entries known. */
  #learned = 0;
  #silentClears = 0;
  readonly #player: Player;

  constructor(told: readonly ToldWindow[] = []) {
    this.rebuild = new Rebuild(undefined, this, told);
    this.#player = new Player(this.#writes, this.#spans);
  }

  /** All windows that were there, as long as each lay in one place, in order. */
  get spans(): readonly WindowSpan[] {
    return this.#spans;
  }

  /** Number of the last event. */
  get lastEvent(): number {
    return this.#event;
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    const { rebuild } = this;
    rebuild.settle(event);
    if (this.#before !== undefined) this.#compare();
    const isUsual = event.kind <= XLATE && (!event.failed || event.kind === GET || event.kind === XLATE);
    if (!isUsual) this.#hold();
    this.#event = event.number;
    rebuild.handle(event);
    if (isUsual) this.#after(event);
    if (this.#writes.length >= this.#keepAt) this.#keep();
  }

  /** To be called before the next event, if something is missing there. */
  gap({ kind }: Gap): void {
    if (kind === "torn") return;
    if (this.#before !== undefined) this.#compare();
    this.#hold();
    this.rebuild.lose();
  }

  /** To be called after the last event. */
  end(): void {
    if (this.#before === undefined) this.#hold();
    this.rebuild.end();
    this.#compare();
  }

  /** The windows after an event, by LIOBN, as they were then for ever. */
  at(event: number): TravelledWindow[] {
    let low = 0;
    for (let high = this.#kept.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.#kept[middle]!.event <= event) low = middle + 1;
      else high = middle;
    }
    return this.#player.go(event, this.#kept[low - 1]);
  }

  changing(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    this.#touched = rebuilt;
    this.#first = first;
    this.#count = count;
    this.#endLives(rebuilt, first, count, event.number);
  }

  changed(): void {}
  translated(): boolean {
    return false;
  }
  outside(): void {}
  refused(): void {}
  created(): void {}
  removing(rebuilt: RebuiltWindow, place: Place): void {
    this.#endLives(rebuilt, 0, rebuilt.window.entries, place.event);
  }
  mismatch(): void {}
  contradicted(): void {}
  moved(): void {}

  /** What was mapped in these entries ends. */
  #endLives(rebuilt: RebuiltWindow, first: number, count: number, event: number): void {
    const span = this.#byLiobn.get(rebuilt.window.liobn)?.number;
    const { table } = rebuilt.window;
    if (span === undefined || table === null) return;
    const { history } = rebuilt;
    if (count === 1) {
      table.load(first);
      if (permOf(table.lo) === 0) return;
      const made = history.eventAt(first);
      this.lives.push(span, first, 1, made < 0 ? BEFORE_ALL : made, event);
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
  #after(event: QemuTraceEvent): void {
    const touched = this.#touched;
    this.#touched = undefined;
    const { counts } = this.rebuild;
    const learned = learnedOf(counts);
    const followed = this.#byLiobn.get(event.liobn);
    const rebuilt = this.rebuild.windows.get(event.liobn);
    if (rebuilt === undefined) return;
    if (followed?.rebuilt !== rebuilt || followed.geometry !== rebuilt.window.geometry) {
      this.#learned = learned;
      this.#follow(rebuilt);
      return;
    }
    if (touched === rebuilt) this.#write(followed, this.#first, this.#count, true);
    else if (learned !== this.#learned) this.#show(event, followed);
    this.#learned = learned;
    this.#silentClears = counts.silentClears;
    if (followed.evidence !== evidenceOf(rebuilt)) this.#note(followed);
  }

  /** Books what a look at an entry showed. */
  #show({ kind, iobaHi, iobaLo }: QemuTraceEvent, followed: Followed): void {
    const { window } = followed.rebuilt;
    if (this.rebuild.counts.silentClears !== this.#silentClears) {
      // A table of VIO that was cleared without a line.
      this.#endLives(followed.rebuilt, 0, window.entries, this.#event);
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
    if (count === 1) {
      table.load(first);
      const { hi, lo } = table;
      const certainty = rebuilt.knows(first) ? Certainty.KNOWN : rebuilt.certainty(first);
      this.#writes.put(this.#event, number, first, hi, lo, certainty, isStored);
      return;
    }
    let at = first;
    const clearTo = (end: number): void => {
      if (end > at) this.#writes.run(this.#event, number, at, end - at, 0, 0, 0);
    };
    table.forEachStoredRun(first, first + count, (from, length, hi, lo, step) => {
      clearTo(from);
      this.#writes.run(this.#event, number, from, length, hi, lo, step);
      at = from + length;
    });
    clearTo(first + count);
    rebuilt.forEachCertainty(first, first + count, (from, length, certainty) => {
      this.#writes.sure(this.#event, number, from, length, certainty);
    });
    if (isStored) this.#writes.made(this.#event, number, first, count, this.#event);
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
    const followed: Followed = { ...place, rebuilt, geometry, facts: [], assumed: [], evidence: 0 };
    this.#spans.push(followed);
    this.#byLiobn.set(liobn, followed);
    this.#note(followed);
    window.table?.forEachStoredRun(0, entries, (first, count, hi, lo, step) => {
      this.#writes.run(this.#event, number, first, count, hi, lo, step);
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
  }

  #note(followed: Followed): void {
    const { table: _table, certainties: _certainties, ...facts } = stateOf(followed.rebuilt);
    followed.evidence = evidenceOf(followed.rebuilt);
    followed.facts.push({ event: this.#event, facts });
    followed.assumed = facts.assumedParts;
  }

  /** Keeps the tables as they are, to compare them afterwards. */
  #hold(): void {
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
    this.#before = undefined;
    this.#touched = undefined;
    this.#learned = learnedOf(this.rebuild.counts);
    for (const [liobn, { rebuilt }] of [...this.#byLiobn])
      if (this.rebuild.windows.get(liobn) !== rebuilt) this.#unfollow(liobn);
    for (const rebuilt of this.rebuild.windows.values()) {
      const followed = this.#byLiobn.get(rebuilt.window.liobn);
      const was = followed === undefined ? undefined : before.get(followed);
      if (followed === undefined || was === undefined || followed.geometry !== rebuilt.window.geometry) {
        this.#follow(rebuilt);
        continue;
      }
      const { number } = followed;
      diff(was.table, rebuilt.window.table!, (first, count, _hi, _lo, _step, hi, lo, step) => {
        this.#writes.run(this.#event, number, first, count, hi, lo, step);
      });
      diff(was.certainties, rebuilt.certainties(), (first, count, _hi, _lo, _step, _isHi, certainty) => {
        this.#writes.sure(this.#event, number, first, count, certainty);
      });
      diff(was.since, rebuilt.history.snapshot(), (first, count, _hi, _lo, _step, made) => {
        this.#writes.made(this.#event, number, first, count, made - 1);
      });
      this.#note(followed);
    }
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

/** What of a window is assumed, a bit each. */
const evidenceOf = ({ assumed, evidence: { start, page, size } }: RebuiltWindow): number =>
  (assumed ? 1 : 0) |
  (start === "assumed" ? 2 : 0) |
  (page === "assumed" ? 4 : 0) |
  (size === "assumed" ? 8 : 0);

/** Entries that looks made known, or made sure of. */
const learnedOf = ({ learned, confirmed, contradicted, silentClears }: RebuildCounts): number =>
  learned + confirmed + contradicted + silentClears;

/** Plays writes into tables of its own, and stays where it was asked for last: the next moment is often near. */
class Player implements WriteVisitor {
  readonly #writes: EntryWrites;
  readonly #spans: readonly Followed[];
  #tables = new Map<number, Tables<TceTable>>();
  #event = -1;
  #rows = 0;

  constructor(writes: EntryWrites, spans: readonly Followed[]) {
    this.#writes = writes;
    this.#spans = spans;
  }

  go(event: number, from: Kept | undefined): TravelledWindow[] {
    const isBehind = event < this.#event;
    if (isBehind || (from !== undefined && from.rows > this.#rows)) this.#start(from);
    this.#rows = this.#writes.replay(this.#rows, event, this);
    this.#event = event;
    return this.#spans
      .filter((span) => span.from <= event && event < span.until)
      .map((span) => this.#stateOf(span, event))
      .sort((a, b) => a.liobn - b.liobn);
  }

  #start(from: Kept | undefined): void {
    this.#tables = new Map();
    this.#rows = from?.rows ?? 0;
    for (const [span, { table, certainties, since }] of from?.tables ?? []) {
      this.#tables.set(span, {
        table: TceTable.from(table),
        certainties: TceTable.from(certainties),
        since: TceTable.from(since),
      });
    }
  }

  #stateOf(span: Followed, event: number): TravelledWindow {
    const { facts } = span.facts.findLast((one) => one.event <= event) ?? span.facts[0]!;
    const { table, certainties, since } = this.#tablesOf(span.number);
    return {
      ...facts,
      span: span.number,
      table: table.snapshot(),
      certainties: certainties.snapshot(),
      since: since.snapshot(),
    };
  }

  #tablesOf(span: number): Tables<TceTable> {
    let tables = this.#tables.get(span);
    if (tables === undefined) {
      const { entries, pageShift } = this.#spans[span]!;
      const length = Math.max(entries, 1);
      tables = {
        table: new TceTable({ length, pageShift }),
        certainties: new TceTable({ length, pageShift: 0 }),
        since: new TceTable({ length, pageShift: 0 }),
      };
      this.#tables.set(span, tables);
    }
    return tables;
  }

  value(span: number, first: number, count: number, hi: number, lo: number, step: number): void {
    const { table } = this.#tablesOf(span);
    if (count === 1) table.put(first, hi, lo);
    else if (step === 0) table.fill(first, count, hi, lo);
    else table.putRun(first, count, hi, lo);
  }

  made(span: number, first: number, count: number, event: number): void {
    const { since } = this.#tablesOf(span);
    if (count === 1) since.put(first, event + 1, 0);
    else since.fill(first, count, event + 1, 0);
  }

  sure(span: number, first: number, count: number, certainty: number): void {
    const { certainties } = this.#tablesOf(span);
    if (count === 1) certainties.put(first, 0, certainty);
    else certainties.fill(first, count, 0, certainty);
  }
}
