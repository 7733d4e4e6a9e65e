import type { PageStep } from "../base/page-step.ts";

/**
 * The run of several entries that a table found last, or the gap between runs,
 * so that a device that works in a long mapping is answered without a walk
 * through the tree.
 *
 * It is kept by value: whatever becomes of the node that held it, it is right
 * until one of its entries is written.
 */
export class CachedRun {
  readonly #page: PageStep;
  #first = 0;
  /** Behind the last entry; 0 without a run. */
  #end = 0;
  #hi = 0;
  #lo = 0;
  #step = 0;

  constructor(page: PageStep) {
    this.#page = page;
  }

  has(index: number): boolean {
    return index < this.#end && index >= this.#first;
  }

  /** High half of an entry of the run. */
  hi(index: number): number {
    return this.#step === 0 ? this.#hi : this.#page.addHi(this.#hi, this.#lo, index - this.#first);
  }

  /** Low half of an entry of the run. */
  lo(index: number): number {
    return this.#step === 0 ? this.#lo : this.#page.addLo(this.#lo, index - this.#first);
  }

  /** Keeps the run of entries `[first, end)` that begins with a value; of a gap all values are 0. */
  set(first: number, end: number, hi: number, lo: number, step: number): void {
    this.#first = first;
    this.#end = end;
    this.#hi = hi;
    this.#lo = lo;
    this.#step = step;
  }

  /** To be called when the entries `[first, end)` are written. */
  forget(first: number, end: number): void {
    if (first < this.#end && end > this.#first) this.#end = 0;
  }
}
