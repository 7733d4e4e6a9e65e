import type { PageStep } from "../../base/page-step.ts";
import type { Permission } from "../../base/permission.ts";
import { toBig } from "../../base/u64.ts";
import { permOf } from "../../tce/tce.ts";
import type { TceView } from "../../tce/tce-view.ts";

/** A run of valid entries with one permission. One object is filled anew for each run of a walk. */
export class EntryRun {
  /** Number of the first entry, and of entries. */
  first = 0;
  pages = 0;
  /** Page address of the first target, in halves. */
  targetHi = 0;
  targetLo = 0;
  perm: Permission = 0;
  /** 1: consecutive pages map consecutive targets; 0: two or more pages map one and the same. */
  step = 1;

  /** Page address of the first target. */
  get target(): bigint {
    return toBig(this.targetHi, this.targetLo);
  }
}

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
  visit: (run: EntryRun) => void,
): void {
  if (table === null) return;
  const joiner = new Joiner(table.page, visit);
  table.forEachStoredRun(first, end, (from, count, hi, lo, step) => {
    joiner.add(from, count, hi, lo, step);
  });
  joiner.finish();
}

/** Joins the pieces in which a table stores its runs. */
class Joiner {
  readonly #page: PageStep;
  readonly #visit: (run: EntryRun) => void;
  /** What is joined so far; no pages: nothing. */
  readonly #run = new EntryRun();

  constructor(page: PageStep, visit: (run: EntryRun) => void) {
    this.#page = page;
    this.#visit = visit;
  }

  /** Takes the next piece: its entries begin with a value and grow by a page size each, or not at all. */
  add(first: number, pages: number, hi: number, lo: number, step: number): void {
    if (permOf(lo) === 0) return;
    const joined = this.#stepTo(first, hi, lo);
    if (joined === undefined) {
      this.finish();
      this.#start(first, pages, hi, lo, step);
      return;
    }
    this.#run.step = joined;
    // The first entry goes on in the run; the others do if they go on in the same way.
    if (pages === 1 || step === joined) {
      this.#run.pages += pages;
      return;
    }
    this.#run.pages++;
    this.finish();
    this.#start(first + 1, pages - 1, this.#page.addHi(hi, lo, step), this.#page.addLo(lo, step), step);
  }

  /** The step by which an entry goes on in the run, undefined if it does not. */
  #stepTo(first: number, hi: number, lo: number): number | undefined {
    const run = this.#run;
    const { pages } = run;
    if (pages === 0 || first !== run.first + pages || permOf(lo) !== run.perm) return undefined;
    const targetHi = this.#pageHi(hi);
    const targetLo = this.#pageLo(lo);
    const mayBe = (step: number): boolean => pages === 1 || run.step === step;
    if (mayBe(0) && targetHi === run.targetHi && targetLo === run.targetLo) return 0;
    return mayBe(1) && this.#page.follows(run.targetHi, run.targetLo, pages, targetHi, targetLo)
      ? 1
      : undefined;
  }

  #start(first: number, pages: number, hi: number, lo: number, step: number): void {
    const run = this.#run;
    run.first = first;
    run.pages = pages;
    run.targetHi = this.#pageHi(hi);
    run.targetLo = this.#pageLo(lo);
    run.perm = permOf(lo);
    run.step = pages === 1 ? 1 : step;
  }

  #pageHi(hi: number): number {
    return (hi & this.#page.maskHi) >>> 0;
  }

  #pageLo(lo: number): number {
    return (lo & this.#page.maskLo) >>> 0;
  }

  /** Passes on the last run. */
  finish(): void {
    if (this.#run.pages > 0) this.#visit(this.#run);
    this.#run.pages = 0;
  }
}
