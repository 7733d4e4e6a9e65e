import type { Permission } from "../../base/permission.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import { permOf } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import type { Place } from "../findings/place.ts";
import { EntryHistory, type PositionScale } from "./entry-history.ts";
import { copyEntries, movedEntries } from "./moved-entries.ts";
import { StartVotes } from "./start-votes.ts";
import type { Geometry, WindowEvidence } from "./window-evidence.ts";

/** Pages that are looked at one by one: a network driver's unmaps have 1 to 16, and a closure costs more. */
const FEW = 32;

/** How sure we are of an entry. */
export const Certainty = {
  /** Printed by the trace, or known to be empty. */
  KNOWN: 0,
  /** Concluded from the last entry of a list, on the assumption that the list is linear. */
  INFERRED: 1,
  /** May hold anything. */
  UNKNOWN: 2,
} as const;

/** Calls `visit` for each stretch of entries of one certainty in `[first, end)`, as long as it can be, in order. */
export function forEachCertainty(
  certainties: TceView,
  first: number,
  end: number,
  visit: (first: number, count: number, certainty: number) => void,
): void {
  let [at, next, last] = [first, first, Certainty.KNOWN as number];
  // The table may be split anywhere.
  const go = (to: number, certainty: number): void => {
    if (to === next) return;
    if (certainty !== last) {
      if (next > at) visit(at, next - at, last);
      at = next;
      last = certainty;
    }
    next = to;
  };
  certainties.forEachStoredRun(first, end, (from, count, _hi, certainty) => {
    go(from, Certainty.KNOWN);
    go(from + count, certainty);
  });
  go(end, Certainty.KNOWN);
  if (next > at) visit(at, next - at, last);
}

/**
 * Entries of a window by how sure we are of them. The four classes add up to the window.
 *
 * @public
 */
export interface EntryClasses {
  /** Not zero, and printed by the trace or confirmed by it. */
  known: number;
  inferred: number;
  unknown: number;
  /** Known to be zero. */
  empty: number;
}

/** What is known of a window when it is followed first. */
export interface WindowOrigin {
  /** How sure we are of its entries. */
  readonly certainty: number;
  /** What it is is a guess. */
  readonly assumed: boolean;
  readonly evidence: WindowEvidence;
  /** Undefined for one that was there before. */
  readonly createdAt: Place | undefined;
}

/**
 * A DMA window that a trace shows, with a second table that says how sure we
 * are of each entry. That one is sparse, too: an unknown window is one run.
 */
export class RebuiltWindow {
  readonly window: DmaWindow;
  /** The trace did not show how the window came: it was used, so it is there, and what it is is a guess. */
  assumed: boolean;
  /** How the geometry is known. */
  evidence: WindowEvidence;
  /**
   * Is the start or the page size assumed, so that each translation is looked at?
   *
   * Invariant *open*: if not, they are known or there is too little to find out.
   */
  isOpen: boolean;
  /** Starts that explain what does not fit. */
  votes: StartVotes = new StartVotes();
  /** Where the trace says that it came; undefined if it was there before. */
  readonly createdAt: Place | undefined;
  /** Which event changed each entry last. */
  history: EntryHistory;
  /** Which event showed what was in an entry that no call of the trace had made known. */
  learned: EntryHistory;
  readonly #scale: PositionScale;
  /** Certainty of entries that nothing happened to. */
  #untouched: number;
  #certainty: TceTable;
  /**
   * Nearly every look ends at these two.
   *
   * Invariant *doubt*: all entries that are not known lie in `[#doubtFirst, #doubtEnd)`, which is empty only if there
   * are none; {@link mark}, the only way in which certainties change, widens it.
   */
  #doubtFirst = 0;
  #doubtEnd = 0;
  /**
   * An entry found in there: a device reads its rings again and again.
   *
   * Invariant *last known*: it is known, or -1; {@link mark} forgets it where an entry may become doubtful.
   */
  #lastKnown = -1;

  constructor(window: DmaWindow, origin: WindowOrigin, scale: PositionScale) {
    const { certainty, assumed, evidence, createdAt } = origin;
    this.window = window;
    this.assumed = assumed;
    this.evidence = evidence;
    this.isOpen = evidence.start === "assumed" || evidence.page === "assumed";
    this.createdAt = createdAt;
    this.#scale = scale;
    this.#untouched = certainty;
    this.history = new EntryHistory(window.entries, scale);
    this.learned = new EntryHistory(window.entries, scale);
    this.#certainty = new TceTable({ length: window.entries, pageShift: 0 });
    this.mark(0, window.entries, certainty);
  }

  /** Bus address of an entry. */
  iobaOf(index: number): bigint {
    const { busOffset, pageShift } = this.window;
    return BigInt.asUintN(64, busOffset + (BigInt(index) << BigInt(pageShift)));
  }

  /**
   * Books that a call is about to store entries. An unmap counts only where
   * something was, or may have been: a driver that clears a new window has
   * unmapped nothing.
   *
   * @param was permission of the first of them until then
   */
  changing(event: QemuTraceEvent, first: number, count: number, was: Permission): void {
    const maps = permOf(event.tceLo) !== 0;
    if (maps || (count === 1 && (was !== 0 || !this.knows(first)))) {
      this.history.note(first, count, event.number, event.position);
    } else if (count > 1) this.#unmapping(event, first, count);
  }

  /** {@link changing} of several entries that are unmapped. */
  #unmapping(event: QemuTraceEvent, first: number, count: number): void {
    const { history } = this;
    const table = this.window.table!;
    if (count <= FEW) {
      for (let index = first; index < first + count; index++) {
        table.load(index);
        this.changing(event, index, 1, permOf(table.lo));
      }
    } else {
      table.forEachStoredRun(first, first + count, (from, length) => {
        history.note(from, length, event.number, event.position);
      });
      this.#certainty.forEachStoredRun(first, first + count, (from, length) => {
        history.note(from, length, event.number, event.position);
      });
    }
  }

  /**
   * Events are missing: anything may have happened to the window, also that it is another one now.
   *
   * @param evidence what that one may be
   */
  doubt(evidence: WindowEvidence = this.evidence): void {
    this.mark(0, this.window.entries, Certainty.UNKNOWN);
    this.history.clear();
    this.learned.clear();
    this.assumed = true;
    this.evidence = evidence;
    this.isOpen = evidence.start === "assumed" || evidence.page === "assumed";
    this.#untouched = Certainty.UNKNOWN;
  }

  /**
   * Takes another geometry. What calls stored stays at its bus address, and what translations showed at its offset. With
   * pages of another size nothing is known any more, but that an empty window is empty.
   */
  reshape({ busOffset, pageShift, entries }: Geometry): void {
    const { window } = this;
    const table = window.table!;
    const by = Number((busOffset - window.busOffset) >> BigInt(pageShift));
    const samePages = pageShift === window.pageShift;
    if (!samePages && table.storedCount > 0) this.#untouched = Certainty.UNKNOWN;
    window.disable();
    window.enable(pageShift, busOffset, entries);
    const { history, learned } = this;
    const certainty = this.#certainty;
    this.history = new EntryHistory(entries, this.#scale);
    this.learned = new EntryHistory(entries, this.#scale);
    this.#certainty = new TceTable({ length: entries, pageShift: 0 });
    this.#doubtFirst = this.#doubtEnd = 0;
    this.#lastKnown = -1;
    if (!samePages) this.mark(0, entries, this.#untouched);
    else if (by === 0) {
      window.table = movedEntries(table, 0, entries);
      this.history.takeOver(history, 0);
      this.learned.takeOver(learned, 0);
      this.#certainty = movedEntries(certainty, 0, entries);
      this.#doubtFirst = 0;
      this.#doubtEnd = this.#certainty.storedCount > 0 ? entries : 0;
      if (entries > table.length) this.mark(table.length, entries - table.length, this.#untouched);
    } else {
      this.mark(0, entries, this.#untouched);
      this.#move(table, history, learned, certainty, by);
    }
  }

  /** Takes over entries: those that calls stored from `by` further up, others from where they are. */
  #move(
    table: TceTable,
    history: EntryHistory,
    learned: EntryHistory,
    certainty: TceTable,
    by: number,
  ): void {
    const { window } = this;
    const { entries } = window;
    history.forEachRun(0, table.length, (first, count) => {
      const from = Math.max(first, by);
      const end = Math.min(first + count, entries + by);
      if (end <= from) return;
      copyEntries(table, window.table!, from, end, by);
      forEachCertainty(certainty, from, end, (at, some, sure) => this.mark(at - by, some, sure));
    });
    this.history.takeOver(history, by);
    learned.forEachEntry((index, event, position) => {
      if (index >= entries || history.eventAt(index) > event || this.history.eventAt(index) > event) return;
      copyEntries(table, window.table!, index, index + 1, 0);
      this.learned.note(index, 1, event, position);
      this.mark(index, 1, Certainty.KNOWN);
    });
  }

  /** Says how sure we are of entries from now on. */
  mark(first: number, count: number, certainty: number): void {
    if (certainty !== Certainty.KNOWN || this.#mayDoubt(first, first + count))
      this.#markAll(first, count, certainty);
  }

  #markAll(first: number, count: number, certainty: number): void {
    if (certainty !== Certainty.KNOWN && count > 0) {
      this.#lastKnown = -1;
      const isFirst = this.#doubtEnd === 0;
      this.#doubtFirst = isFirst ? first : Math.min(this.#doubtFirst, first);
      this.#doubtEnd = Math.max(this.#doubtEnd, first + count);
    }
    this.#certainty.fill(first, count, 0, certainty);
    if (this.#certainty.storedCount === 0) this.#doubtFirst = this.#doubtEnd = 0;
  }

  #mayDoubt(first: number, end: number): boolean {
    return first < this.#doubtEnd && end > this.#doubtFirst;
  }

  /**
   * The table was cleared without a line, at some time after an entry was stored, which was found empty. What was stored
   * before that one is gone, too; what was stored later may have been before or after.
   */
  clearedSince(index: number): void {
    const { window, history, learned } = this;
    const { entries } = window;
    const since = Math.max(history.eventAt(index), learned.eventAt(index));
    const before = window.table!.snapshot();
    const certainties = this.certainties();
    const changes = [history, learned];
    this.history = new EntryHistory(entries, this.#scale);
    this.learned = new EntryHistory(entries, this.#scale);
    window.reset();
    this.mark(0, entries, Certainty.KNOWN);
    const doubt = (first: number, count: number): void => {
      copyEntries(before, window.table!, first, first + count, 0);
      this.mark(first, count, Certainty.UNKNOWN);
    };
    certainties.forEachStoredRun(0, entries, (first, count, _hi, certainty) => {
      if (certainty === Certainty.UNKNOWN) doubt(first, count);
    });
    for (const [i, kept] of [this.history, this.learned].entries()) {
      changes[i]!.forEachRun(0, entries, (first, count, { event, line }) => {
        if (event <= since) return;
        kept.note(first, count, event, line);
        before.forEachStoredRun(first, first + count, (from, stored) => doubt(from, stored));
      });
    }
  }

  /** Marks all entries that are not known to be empty as unknown. */
  doubtStored(): void {
    this.window.table?.forEachStoredRun(0, this.window.entries, (first, count) => {
      this.mark(first, count, Certainty.UNKNOWN);
    });
  }

  /** The certainties as they are now, for ever. */
  certainties(): TceView {
    return this.#certainty.snapshot();
  }

  /** Calls `visit` for each stretch of entries of one certainty in `[first, end)`, in order. */
  forEachCertainty(
    first: number,
    end: number,
    visit: (first: number, count: number, certainty: number) => void,
  ): void {
    forEachCertainty(this.#certainty, first, end, visit);
  }

  /** Are all of these entries known? */
  isKnown(first: number, count: number): boolean {
    return !this.#mayDoubt(first, first + count) || this.#countDoubtful(first, first + count) === 0;
  }

  #countDoubtful(first: number, end: number): number {
    let doubtful = 0;
    this.#certainty.forEachStoredRun(first, end, (_first, count) => {
      doubtful += count;
    });
    return doubtful;
  }

  /** Is an entry known? */
  knows(index: number): boolean {
    if (index === this.#lastKnown || !this.#mayDoubt(index, index + 1)) return true;
    if (this.certainty(index) !== Certainty.KNOWN) return false;
    this.#lastKnown = index;
    return true;
  }

  certainty(index: number): number {
    this.#certainty.load(index);
    return this.#certainty.lo;
  }

  /** Counts the entries of each class; costs what is mapped or in doubt. */
  classes(): EntryClasses {
    const { table, entries } = this.window;
    const classes: EntryClasses = { known: table?.storedCount ?? 0, inferred: 0, unknown: 0, empty: 0 };
    this.#certainty.forEachStoredRun(0, entries, (first, count, _hi, certainty) => {
      if (certainty === Certainty.INFERRED) classes.inferred += count;
      else classes.unknown += count;
      table?.forEachStoredRun(first, first + count, (_first, stored) => {
        classes.known -= stored;
      });
    });
    classes.empty = entries - classes.known - classes.inferred - classes.unknown;
    return classes;
  }
}
