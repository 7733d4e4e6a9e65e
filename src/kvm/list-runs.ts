import type { PageStep } from "../base/page-step.ts";

/**
 * How many entries of a list map consecutive pages from an entry on, with the
 * same permission: each is a page size more than the one before, below 2^64.
 *
 * @param words high and low half of each entry
 * @param at number of the first entry
 * @param count entries of the list
 */
export function linearRun(words: Uint32Array, at: number, count: number, page: PageStep): number {
  // Signed halves, so that the loop is one of 32-bit additions.
  const sizeHi = page.sizeHi | 0;
  const sizeLo = page.sizeLo | 0;
  let hi = words[at * 2]! | 0;
  let lo = words[at * 2 + 1]! | 0;
  let next = at + 1;
  for (; next < count; next++) {
    const lastHi = hi;
    lo = (lo + sizeLo) | 0;
    hi = (hi + sizeHi + (lo >>> 0 < sizeLo >>> 0 ? 1 : 0)) | 0;
    if ((words[next * 2 + 1]! | 0) !== lo || (words[next * 2]! | 0) !== hi) break;
    if (hi >>> 0 < lastHi >>> 0) break;
  }
  return next - at;
}
