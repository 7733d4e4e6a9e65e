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
  readonly #shift: number;
  // Signed halves, so that the loop over a linear stretch is one of 32-bit additions.
  readonly #sizeHi: number;
  readonly #sizeLo: number;

  constructor(page: PageStep) {
    this.#shift = page.shift;
    this.#sizeHi = page.sizeHi | 0;
    this.#sizeLo = page.sizeLo | 0;
  }

  /** The run that begins with entry `at` of a list of `count`; sets {@link count} and {@link step}. */
  find(words: Uint32Array, at: number, count: number): void {
    const hi = words[at * 2]!;
    const lo = words[at * 2 + 1]!;
    let next = at + 1;
    let step = 0;
    if (next < count && words[next * 2] === hi && words[next * 2 + 1] === lo) {
      do next++;
      while (next < count && words[next * 2] === hi && words[next * 2 + 1] === lo);
    } else if (this.#shift >= 2 && (hi | lo) !== 0) {
      const sizeHi = this.#sizeHi;
      const sizeLo = this.#sizeLo;
      let nextHi = hi | 0;
      let nextLo = lo | 0;
      for (; next < count; next++) {
        const lastHi = nextHi;
        nextLo = (nextLo + sizeLo) | 0;
        nextHi = (nextHi + sizeHi + (nextLo >>> 0 < sizeLo >>> 0 ? 1 : 0)) | 0;
        if ((words[next * 2 + 1]! | 0) !== nextLo || (words[next * 2]! | 0) !== nextHi) break;
        // Behind 2^64 a run does not go on.
        if (nextHi >>> 0 < lastHi >>> 0) break;
        step = 1;
      }
    }
    this.count = next - at;
    this.step = step;
  }
}
