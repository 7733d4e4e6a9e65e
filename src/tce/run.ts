import type { PageStep } from "../base/page-step.ts";

/**
 * Entries `[first, end)` that begin with the value `(hi, lo)`: with `step` 1
 * each further value is one page size more (never past 2^64), with 0 all are
 * equal. One object is set again for each run.
 */
export class Run {
  readonly page: PageStep;
  first = 0;
  /** Behind the last entry; 0 without a run. */
  end = 0;
  hi = 0;
  lo = 0;
  step = 0;

  constructor(page: PageStep) {
    this.page = page;
  }

  set(first: number, end: number, hi: number, lo: number, step: number): this {
    this.first = first;
    this.end = end;
    this.hi = hi;
    this.lo = lo;
    this.step = step;
    return this;
  }

  has(index: number): boolean {
    return index < this.end && index >= this.first;
  }

  /** High half of an entry of the run. */
  hiAt(index: number): number {
    return this.step === 0 ? this.hi : this.page.addHi(this.hi, this.lo, index - this.first);
  }

  /** Low half of an entry of the run. */
  loAt(index: number): number {
    return this.step === 0 ? this.lo : this.page.addLo(this.lo, index - this.first);
  }

  /** The entries `[first, end)` of another run. */
  setPart(of: Run, first: number, end: number): this {
    return this.set(first, end, of.hiAt(first), of.loAt(first), of.step);
  }
}

/**
 * Receives raw runs: entries `[first, first + count)`, the first value, and whether it grows by a page (1) or not (0).
 *
 * @public
 */
export type RawRunVisitor = (first: number, count: number, hi: number, lo: number, step: number) => void;
