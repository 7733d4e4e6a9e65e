import { toBig } from "../../base/u64.ts";
import { INDIRECT, NEW_TABLE, PUT, type QemuTraceEvent, STUFF } from "../../formats/trace/trace-event.ts";
import type { WindowGeometry } from "../../spapr/window-geometry.ts";
import { permOf } from "../../tce/tce.ts";
import { CallRange, isStore, ListTce, storedPages } from "../rebuild/call-range.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { Owners, type Piece } from "./owners.ts";
import {
  type EventStamp,
  type Fate,
  type LifetimeSink,
  type LifetimeWindow,
  type Mapping,
  stampOf,
} from "./qemu-mapping.ts";

/** Entries of a window that may be longer than is assumed; a table of them is as high as one of the usual length. */
const OPEN_ENTRIES = 2 ** 21;

/**
 * Follows each mapping of a trace from the call that made it to the one that
 * ended it. Calls may unmap other pieces than they mapped.
 *
 * Memory follows what is alive: one object for a live call, and a second
 * sparse table for each window that says whose an entry is.
 */
export class LifetimeTracker {
  readonly rebuild: Rebuild;
  readonly #sink: LifetimeSink;
  readonly #windows = new Map<number, OwnedWindow>();
  readonly #range = new CallRange();
  readonly #listTce = new ListTce();
  #mappings = 0;
  #lastKind = PUT;
  #silentClears = 0;

  constructor(sink: LifetimeSink, rebuild: Rebuild = new Rebuild()) {
    this.#sink = sink;
    this.rebuild = rebuild;
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    this.rebuild.handle(event);
    // What a new table means shows with the event after it.
    const isKnown = this.#windows.get(event.liobn)?.rebuilt === this.rebuild.windows.get(event.liobn);
    if (!isKnown || event.kind >= NEW_TABLE || this.#lastKind >= NEW_TABLE) this.#dropGone(stampOf(event));
    this.#lastKind = event.kind;
    if (this.rebuild.counts.silentClears !== this.#silentClears) {
      this.#silentClears = this.rebuild.counts.silentClears;
      this.#dropCleared(event);
    }
    if (isStore(event)) this.#store(event);
  }

  /** Brings all up to date before `next` happens, for who wants to look at it there. */
  settle(next: QemuTraceEvent): void {
    this.rebuild.settle(next);
    this.#dropGone(stampOf(next));
  }

  /** Brings all up to date when nothing follows for now that belongs to the last event. */
  pause(): void {
    this.rebuild.end();
    this.#dropGone(undefined);
  }

  /** To be called after the last event: ends what is alive. */
  end(): void {
    this.pause();
    for (const liobn of [...this.#windows.keys()]) this.#dropWindow(liobn, "alive", undefined);
  }

  /** The window that an event is of. */
  window(event: QemuTraceEvent): LifetimeWindow | undefined {
    return this.#windowOf(event.liobn, event)?.window;
  }

  #store(event: QemuTraceEvent): void {
    const owned = this.#windowOf(event.liobn, event);
    if (owned === undefined) return;
    const { window } = owned.rebuilt;
    const range = this.#range;
    range.read(event, window.page);
    const first = window.indexOf(range.startHi, range.startLo);
    const pages = storedPages(event, window.entries - first);
    if (pages <= 0 || first + pages > owned.length) return;
    const stamp = stampOf(event);
    const maps = permOf(event.tceLo) !== 0;
    this.#endRange(owned, first, pages, maps ? "replaced" : "unmapped", stamp);
    if (!maps) return;
    const mapping = this.#mappingOf(event, owned, first, pages, stamp);
    owned.owners.add(mapping);
    this.#sink.begin(mapping);
  }

  #mappingOf(
    event: QemuTraceEvent,
    { rebuilt, window }: OwnedWindow,
    first: number,
    pages: number,
    made: EventStamp,
  ): Mapping {
    const { page } = rebuilt.window;
    // Of a list the last TCE is printed, or that of the entry after the end of the window.
    const isList = event.kind === INDIRECT;
    const back = !isList ? 0 : event.failed ? pages : pages - 1;
    const tce = this.#listTce;
    const exists = tce.read(event, back, page);
    return {
      number: this.#mappings++,
      window,
      first,
      pages,
      tce: exists ? toBig(tce.hi, tce.lo) : undefined,
      perm: permOf(event.tceLo),
      constant: event.kind === STUFF,
      inferred: back > 0,
      made,
      left: pages,
      at: first,
    };
  }

  #endRange(
    owned: OwnedWindow,
    first: number,
    pages: number,
    fate: Fate,
    stamp: EventStamp | undefined,
  ): void {
    owned.owners.take(first, pages, (mapping, from, count) => {
      this.#sink.end(mapping, mapping.first + from - mapping.at, count, fate, stamp);
    });
  }

  /** @param event what happens there */
  #windowOf(liobn: number, event: QemuTraceEvent): OwnedWindow | undefined {
    const rebuilt = this.rebuild.windows.get(liobn);
    const owned = this.#windows.get(liobn);
    if (rebuilt === undefined) return undefined;
    if (owned?.rebuilt === rebuilt && owned.isCounted) return owned;
    const fresh = new OwnedWindow(rebuilt);
    this.#windows.set(liobn, fresh);
    if (owned?.rebuilt === rebuilt) this.#recount(owned, fresh, stampOf(event));
    return fresh;
  }

  /**
   * A window starts elsewhere than it was taken to, or has other pages: a call named its first address, and how many entries
   * from there on it stored. What lies outside of it by that, or under what came later, is there no longer.
   */
  #recount(before: OwnedWindow, after: OwnedWindow, stamp: EventStamp): void {
    const left = new Map<Mapping, Piece[]>();
    before.owners.forEach((mapping, from, pages) => {
      const piece = { first: from - mapping.at, pages };
      const pieces = left.get(mapping);
      if (pieces === undefined) left.set(mapping, [piece]);
      else pieces.push(piece);
    });
    for (const [mapping, pieces] of [...left].sort(([a], [b]) => a.number - b.number)) {
      mapping.at = after.indexOf(mapping);
      const placed = pieces.map(({ first, pages }) => ({ first: mapping.at + first, pages }));
      const inside = placed.filter(({ first, pages }) => first >= 0 && first + pages <= after.length);
      for (const { first, pages } of inside) this.#endRange(after, first, pages, "replaced", stamp);
      for (const piece of placed) {
        if (inside.includes(piece)) continue;
        mapping.left -= piece.pages;
        const from = mapping.first + piece.first - mapping.at;
        this.#sink.end(mapping, from, piece.pages, "window-gone", stamp);
      }
      if (inside.length > 0) after.owners.addPieces(mapping, inside);
    }
  }

  /** Ends what was mapped in windows that are there no longer, or are others by now. */
  #dropGone(stamp: EventStamp | undefined): void {
    for (const [liobn, { rebuilt }] of [...this.#windows]) {
      if (this.rebuild.windows.get(liobn) !== rebuilt) this.#dropWindow(liobn, "window-gone", stamp);
    }
  }

  /** Ends what was mapped where a table is empty now. */
  #dropCleared(event: QemuTraceEvent): void {
    const owned = this.#windowOf(event.liobn, event);
    if (owned === undefined) return;
    const stamp = stampOf(event);
    let at = 0;
    owned.rebuilt.window.table!.forEachStoredRun(0, owned.rebuilt.window.entries, (first, count) => {
      this.#endRange(owned, at, first - at, "cleared", stamp);
      at = first + count;
    });
    this.#endRange(owned, at, owned.length - at, "cleared", stamp);
  }

  #dropWindow(liobn: number, fate: Fate, stamp: EventStamp | undefined): void {
    const owned = this.#windows.get(liobn);
    if (owned === undefined) return;
    this.#endRange(owned, 0, owned.length, fate, stamp);
    this.#windows.delete(liobn);
  }
}

/** A window with the owner of each entry. */
class OwnedWindow {
  readonly rebuilt: RebuiltWindow;
  /** The window as its entries are counted here. */
  readonly window: LifetimeWindow;
  /** That of the window when it was looked at last. */
  #geometry: WindowGeometry;
  /** Entries that are followed: more than are assumed, if they are not told. */
  readonly length: number;
  readonly owners: Owners<Mapping>;

  constructor(rebuilt: RebuiltWindow) {
    const { liobn, busOffset, pageShift, entries } = rebuilt.window;
    this.rebuilt = rebuilt;
    this.window = { liobn, busOffset, pageShift, entries };
    this.#geometry = rebuilt.window.geometry;
    this.length = rebuilt.evidence.size === "told" ? entries : Math.max(entries, OPEN_ENTRIES);
    this.owners = new Owners(this.length);
  }

  /** Are its entries counted as the window is known by now? */
  get isCounted(): boolean {
    const { geometry, busOffset, pageShift, entries } = this.rebuilt.window;
    if (geometry === this.#geometry) return true;
    const { window } = this;
    if (window.busOffset !== busOffset || window.pageShift !== pageShift || entries > this.length)
      return false;
    this.#geometry = geometry;
    return true;
  }

  /** The index of the first entry of a mapping, also of one that was made when something else was known of its window. */
  indexOf({ window, first }: Mapping): number {
    const address = window.busOffset + (BigInt(first) << BigInt(window.pageShift));
    return Number((address - this.window.busOffset) >> BigInt(this.window.pageShift));
  }
}
