import type { PageStep } from "../../base/page-step.ts";
import type { Permission } from "../../base/permission.ts";
import { permOf } from "../../tce/tce.ts";
import type { TceView } from "../../tce/tce-view.ts";

/**
 * Receives a run of valid entries with one permission.
 *
 * @param first number of the first entry
 * @param pages number of entries
 * @param targetHi page address of the first target, high half
 * @param targetLo page address of the first target, low half
 * @param step 1: consecutive pages map consecutive targets; 0: two or more pages map one and the same
 */
export type EntryRunVisitor = (
  first: number,
  pages: number,
  targetHi: number,
  targetLo: number,
  perm: Permission,
  step: number,
) => void;

/**
 * Calls `visit` for each run of valid entries in `[first, end)`, in order. A run
 * is as long as it can be from its first entry on, also where many pages map one
 * target, wherever the table is split: costs what is stored, not how long it is.
 * A window without a table has none.
 */
export function forEachEntryRun(
  table: TceView | null,
  first: number,
  end: number,
  visit: EntryRunVisitor,
): void {
  if (table === null) return;
  const { page } = table;
  const joiner = new Joiner(page, visit);
  table.forEachStoredRun(first, end, (from, count, hi, lo, step) => {
    const perm = permOf(lo);
    if (perm !== 0) joiner.add(from, count, (hi & page.maskHi) >>> 0, (lo & page.maskLo) >>> 0, perm, step);
  });
  joiner.finish();
}

/** Joins the pieces in which a table stores its runs. */
class Joiner {
  readonly #page: PageStep;
  readonly #visit: EntryRunVisitor;
  #first = 0;
  #pages = 0;
  #hi = 0;
  #lo = 0;
  #perm: Permission = 0;
  #step = 1;

  constructor(page: PageStep, visit: EntryRunVisitor) {
    this.#page = page;
    this.#visit = visit;
  }

  add(first: number, pages: number, hi: number, lo: number, perm: Permission, step: number): void {
    const joined = this.#stepTo(first, hi, lo, perm);
    if (joined === undefined) {
      this.finish();
      this.#start(first, pages, hi, lo, perm, step);
      return;
    }
    this.#step = joined;
    // The first entry goes on in the run; the others do if they go on in the same way.
    if (pages === 1 || step === joined) {
      this.#pages += pages;
      return;
    }
    this.#pages++;
    this.finish();
    this.#start(first + 1, pages - 1, this.#page.addHi(hi, lo, step), this.#page.addLo(lo, step), perm, step);
  }

  /** The step by which an entry goes on in the run, undefined if it does not. */
  #stepTo(first: number, hi: number, lo: number, perm: Permission): number | undefined {
    const pages = this.#pages;
    if (pages === 0 || first !== this.#first + pages || perm !== this.#perm) return undefined;
    const mayBe = (step: number): boolean => pages === 1 || this.#step === step;
    if (mayBe(0) && hi === this.#hi && lo === this.#lo) return 0;
    return mayBe(1) && this.#page.follows(this.#hi, this.#lo, pages, hi, lo) ? 1 : undefined;
  }

  #start(first: number, pages: number, hi: number, lo: number, perm: Permission, step: number): void {
    this.#first = first;
    this.#pages = pages;
    this.#hi = hi;
    this.#lo = lo;
    this.#perm = perm;
    this.#step = pages === 1 ? 1 : step;
  }

  /** Passes on the last run. */
  finish(): void {
    if (this.#pages > 0) this.#visit(this.#first, this.#pages, this.#hi, this.#lo, this.#perm, this.#step);
    this.#pages = 0;
  }
}
