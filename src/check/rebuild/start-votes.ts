import type { TceTable } from "../../tce/tce-table.ts";
import type { EntryHistory } from "./entry-history.ts";

/** Starts of a window that are followed at one time; more explain a page than can be told apart. */
const MAX_STARTS = 8;
/** Looks at a whole table; more than these do not make it clearer. */
const MAX_SEARCHES = 32;
/** Runs of a table that are looked at in all. */
const MAX_RUNS = 2 ** 18;

/** What a translation showed. */
export interface Shown {
  /** The page of the offset. */
  readonly index: number;
  readonly targetHi: number;
  readonly targetLo: number;
  readonly perm: number;
}

/**
 * Finds out where a window starts. Calls name bus addresses and translations
 * offsets: where a page is read at an offset and was mapped at a bus address,
 * the window may start at the difference. Each translation that does not fit
 * votes for the starts that would make it fit.
 */
export class StartVotes {
  /** By pages from the assumed start: pages of translations that vote for it. */
  readonly #votes = new Map<number, Set<number>>();
  #searches = 0;
  #runs = 0;

  /**
   * Books a translation that does not fit.
   *
   * @param table as it is by the assumed start
   * @param history who stored its entries by calls
   * @param latest how much later the window may start: no call used an address before its start
   * @returns the start that explains most, in pages from the assumed one; undefined if none explains this one
   */
  vote(table: TceTable, history: EntryHistory, shown: Shown, latest: number): number | undefined {
    const known = [...this.#votes.keys()].filter((by) => holds(table, history, shown, by));
    const starts = (known.length > 0 ? known : this.#search(table, history, shown)).filter(
      (by) => by <= latest,
    );
    let best: number | undefined;
    for (const by of starts) {
      const votes = this.#votes.get(by) ?? new Set();
      this.#votes.set(by, votes.add(shown.index));
      if (best === undefined || votes.size > this.count(best)) best = by;
    }
    return best;
  }

  /** The assumed start is so many pages later from now on. */
  moved(pages: number): void {
    const votes = [...this.#votes];
    this.#votes.clear();
    for (const [by, shown] of votes) this.#votes.set(by - pages, shown);
  }

  /** Pages whose translations a start explains. */
  count(by: number): number {
    return this.#votes.get(by)?.size ?? 0;
  }

  #search(table: TceTable, history: EntryHistory, shown: Shown): number[] {
    if (this.#votes.size >= MAX_STARTS || this.#searches++ >= MAX_SEARCHES || this.#runs > MAX_RUNS)
      return [];
    const { page } = table;
    const { index, targetHi, targetLo } = shown;
    const found: number[] = [];
    table.forEachStoredRun(0, table.length, (first, count, hi, lo, step) => {
      this.#runs++;
      // Pages from the target of the first one, if it lies behind.
      const low = targetLo - ((lo & page.maskLo) >>> 0);
      const high = targetHi - ((hi & page.maskHi) >>> 0) - (low < 0 ? 1 : 0);
      const ahead = high < 0 ? -1 : (high * 2 ** 32 + (low >>> 0)) / 2 ** page.shift;
      // Damage may name a target within a page.
      if (!Number.isInteger(ahead)) return;
      const at = first + ahead;
      const isInside = step === 0 ? ahead === 0 : ahead >= 0 && ahead < count;
      if (!isInside || at === index || found.length > MAX_STARTS) return;
      if (holds(table, history, shown, at - index)) found.push(at - index);
    });
    return found.length > MAX_STARTS ? [] : found;
  }
}

/** Did a call store what was translated, so many pages from where it was read? */
function holds(table: TceTable, history: EntryHistory, shown: Shown, by: number): boolean {
  const at = shown.index + by;
  if (at < 0 || at >= table.length || history.eventAt(at) < 0) return false;
  table.load(at);
  return (
    (table.lo & 3) === shown.perm &&
    (table.hi & table.page.maskHi) >>> 0 === shown.targetHi &&
    (table.lo & table.page.maskLo) >>> 0 === shown.targetLo
  );
}
