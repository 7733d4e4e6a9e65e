import { TWO32 } from "./u64.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const WEIGHT = TWO32;

/**
 * Arithmetic of "so many pages further on" for 64-bit values in halves.
 *
 * One object holds the constants of one page size, so that hot loops multiply
 * and compare and never shift by a variable amount.
 *
 * @public
 */
export class PageStep {
  // All are numbers from the start: V8 knows no integer field that was undefined once.

  /** log2 of the page size, 0..63. */
  readonly shift: number = 0;
  /** Low half of the page size. */
  readonly sizeLo: number = 0;
  /** High half of the page size. */
  readonly sizeHi: number = 0;
  /** Mask of the bits of a page address, low half; signed, as bitwise operators want it. */
  readonly maskLo: number = 0;
  /** Mask of the bits of a page address, high half; signed, too. */
  readonly maskHi: number = 0;
  /** What one page adds to the high half (a fraction below shift 32). */
  readonly #highPerPage: number = 0;

  constructor(shift: number) {
    this.shift = shift;
    this.sizeLo = shift < 32 ? 2 ** shift : 0;
    this.sizeHi = shift < 32 ? 0 : 2 ** (shift - 32);
    this.maskLo = shift < 32 ? -this.sizeLo | 0 : 0;
    this.maskHi = shift < 32 ? -1 : -this.sizeHi | 0;
    this.#highPerPage = 2 ** (shift - 32);
  }

  // A page size is a power of two, so each product below is exact, and `>>> 0`
  // takes it modulo 2^32, rounded down: shorter and much faster than `%`.

  /** Low half of `pages << shift`, for a page count below 2^53. */
  bytesLo(pages: number): number {
    return (pages * this.sizeLo) >>> 0;
  }

  /** High half of `pages << shift` modulo 2^64, for a page count below 2^53. */
  bytesHi(pages: number): number {
    return (pages * this.#highPerPage) >>> 0;
  }

  /** Low half of `value + (pages << shift)`. */
  addLo(lo: number, pages: number): number {
    return (lo + this.bytesLo(pages)) >>> 0;
  }

  /** High half of `value + (pages << shift)`, modulo 2^64. */
  addHi(hi: number, lo: number, pages: number): number {
    const carry = lo + this.bytesLo(pages) >= WEIGHT ? 1 : 0;
    return (hi + this.bytesHi(pages) + carry) >>> 0;
  }

  /**
   * Is `value2` exactly `value + (pages << shift)`, without passing 2^64?
   *
   * A run that wrapped around the top of the address space would no longer be
   * one interval, so a wrapped sum does not count as consecutive.
   */
  follows(hi: number, lo: number, pages: number, hi2: number, lo2: number): boolean {
    const low = lo + this.bytesLo(pages);
    const carry = low >= WEIGHT ? 1 : 0;
    return low - carry * WEIGHT === lo2 && hi + this.bytesHi(pages) + carry === hi2;
  }
}

const STEPS: PageStep[] = Array.from({ length: 64 }, (_, shift) => new PageStep(shift));

/** The shared {@link PageStep} of a page size, for shifts 0..63. */
export function pageStep(shift: number): PageStep {
  return STEPS[shift]!;
}
