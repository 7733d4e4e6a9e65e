import { IommuError } from "../../base/errors.ts";
import { TWO32 } from "../../base/u64.ts";
import { TCE_PERM_MASK } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import type { Place } from "../findings/place.ts";
import { copyEntries } from "./moved-entries.ts";

/** Event numbers that a history can hold. */
const MAX_EVENTS = TWO32 - 2;

/** Positions below this are stored as they are. */
export const POSITION_SPAN: number = 2 ** 30;

/**
 * Positions of events in their file, from what is left of them in a history:
 * positions only grow, so that the low part of one and the event's number say
 * the whole.
 */
export class PositionScale {
  /** First event at or after each multiple of {@link POSITION_SPAN}. */
  readonly #passed: number[] = [];

  /** To be called for each event, before any place of it is asked for. */
  note(event: number, position: number): void {
    while (position >= (this.#passed.length + 1) * POSITION_SPAN) this.#passed.push(event);
  }

  position(event: number, low: number): number {
    let high = 0;
    while (high < this.#passed.length && this.#passed[high]! <= event) high++;
    return high * POSITION_SPAN + low;
  }
}

/**
 * Which event changed each entry of a window last: who mapped it, or, of an
 * entry that is empty, who unmapped it.
 *
 * A second sparse table holds an event number and the low 30 bits of its
 * position for each entry, and the two bits that make a TCE valid: a table
 * counts valid entries, and so has nothing to count when one valid entry
 * replaces another. What was unmapped is forgotten by {@link forgetUnmapped}.
 */
export class EntryHistory {
  readonly #changes: TceTable;
  readonly #scale: PositionScale;

  constructor(entries: number, scale: PositionScale) {
    this.#changes = new TceTable({ length: entries, pageShift: 0 });
    this.#scale = scale;
  }

  /** Entries of which the last change is known. */
  get size(): number {
    return this.#changes.storedCount;
  }

  /** @throws IommuError LIMIT_EXCEEDED after 2^32 events */
  note(first: number, count: number, event: number, position: number): void {
    if (event > MAX_EVENTS) throw tooMany(event);
    const low = (position << 2) | TCE_PERM_MASK;
    this.#changes.fill(first, count, event + 1, low);
  }

  /** The last change of an entry, undefined if there was none or it was forgotten. */
  at(index: number): Place | undefined {
    const changes = this.#changes;
    changes.load(index);
    if (changes.hi === 0) return undefined;
    const event = changes.hi - 1;
    return { event, line: this.#scale.position(event, changes.lo >>> 2) };
  }

  /** The event of the last change of an entry, -1 if it is not known. */
  eventAt(index: number): number {
    this.#changes.load(index);
    return this.#changes.hi - 1;
  }

  /** Visits stretches of entries with one last change. */
  forEachRun(first: number, end: number, visit: (first: number, count: number, place: Place) => void): void {
    if (end - first === 1) {
      const place = this.at(first);
      if (place !== undefined) visit(first, 1, place);
      return;
    }
    this.#changes.forEachStoredRun(first, end, (from, count, hi, lo) => {
      visit(from, count, { event: hi - 1, line: this.#scale.position(hi - 1, lo >>> 2) });
    });
  }

  /** Visits each entry with its last change. */
  forEachEntry(visit: (index: number, event: number, position: number) => void): void {
    this.#changes.forEachStoredRun(0, this.#changes.length, (first, count, hi, lo) => {
      const position = this.#scale.position(hi - 1, lo >>> 2);
      for (let index = first; index < first + count; index++) visit(index, hi - 1, position);
    });
  }

  /** Takes over the changes of another history, each `by` entries further down. */
  takeOver(other: EntryHistory, by: number): void {
    copyEntries(other.#changes, this.#changes, 0, other.#changes.length, by);
  }

  /** The changes as they are now, for ever: the high half of an entry is the number of its event, and 1. */
  snapshot(): TceView {
    return this.#changes.snapshot();
  }

  /** Forgets everything. */
  clear(): void {
    this.#changes.clear();
  }

  /** Forgets the changes of entries that hold nothing. */
  forgetUnmapped(table: TceTable, entries: number): void {
    const kept: number[] = [];
    table.forEachStoredRun(0, entries, (first, count) => {
      this.#changes.forEachStoredRun(first, first + count, (from, length, hi, lo) => {
        kept.push(from, length, hi, lo);
      });
    });
    this.#changes.clear();
    for (let i = 0; i < kept.length; i += 4) {
      this.#changes.fill(kept[i]!, kept[i + 1]!, kept[i + 2]!, kept[i + 3]!);
    }
  }
}

const tooMany = (event: number): IommuError =>
  new IommuError("LIMIT_EXCEEDED", `event ${event}: the history holds 2^32 events`, { event });
