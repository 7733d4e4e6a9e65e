import type { PageStep } from "../base/page-step.ts";

/**
 * Finds the runs of a list of entries: `words` holds the high and the low half
 * of each.
 */
export class ListRuns {
  /** Number of entries in the run that {@link find} found. */
  count = 0;
  /** Whether its values grow by a page (1) or are equal (0). */
  step = 0;
  readonly #shift: number = 0;
  // Signed halves, so that the loop over a linear stretch is one of 32-bit additions.
  readonly #sizeHi: number = 0;
  readonly #sizeLo: number = 0;

  constructor(page: PageStep) {
    this.#shift = page.shift;
    this.#sizeHi = page.sizeHi | 0;
    this.#sizeLo = page.sizeLo | 0;
  }

  /**
   * The first entry from `at` on that begins a run of several entries, which
   * {@link count} and {@link step} tell of then; `length` if there is none.
   */
  find(words: Uint32Array, at: number, length: number): number {
    const sizeLo = this.#sizeLo;
    let lo = words[at * 2 + 1]! | 0;
    for (let next = at + 1; next < length; next++) {
      const nextLo = words[next * 2 + 1]! | 0;
      const more = (nextLo - lo) | 0;
      // Most entries of a scattered list are known by their low halves to be no run.
      if ((more === 0 || more === sizeLo) && this.#measure(words, next - 1, length)) return next - 1;
      lo = nextLo;
    }
    return length;
  }

  /** Measures the run that begins with an entry; returns whether it has several. */
  #measure(words: Uint32Array, at: number, length: number): boolean {
    const hi = words[at * 2]!;
    const lo = words[at * 2 + 1]!;
    let next = at + 1;
    this.step = 0;
    if (words[next * 2] === hi && words[next * 2 + 1] === lo) {
      do next++;
      while (next < length && words[next * 2] === hi && words[next * 2 + 1] === lo);
    } else if (this.#shift >= 2 && (hi | lo) !== 0) {
      const sizeHi = this.#sizeHi;
      const sizeLo = this.#sizeLo;
      let nextHi = hi | 0;
      let nextLo = lo | 0;
      for (; next < length; next++) {
        const lastHi = nextHi;
        nextLo = (nextLo + sizeLo) | 0;
        nextHi = (nextHi + sizeHi + (nextLo >>> 0 < sizeLo >>> 0 ? 1 : 0)) | 0;
        if ((words[next * 2 + 1]! | 0) !== nextLo || (words[next * 2]! | 0) !== nextHi) break;
        // Behind 2^64 a run does not go on.
        if (nextHi >>> 0 < lastHi >>> 0) break;
      }
      this.step = 1;
    }
    this.count = next - at;
    return this.count > 1;
  }
}
