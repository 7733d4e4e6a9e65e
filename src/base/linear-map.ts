import { hiOf, loOf, pageOf } from "./u64.ts";

/**
 * Consecutive addresses that stand for consecutive other ones, such as memory
 * of a guest and where it is in a process. It never changes, and is made of
 * signed halves, as V8 keeps those as small integers.
 */
export class LinearMap {
  // Numbers are numbers from the start: V8 knows no integer field that was undefined once.
  readonly firstHi: number = 0;
  readonly firstLo: number = 0;
  /** Bytes minus 1. */
  readonly spanHi: number = 0;
  readonly spanLo: number = 0;
  /** Target minus address, modulo 2^64. */
  readonly distanceHi: number = 0;
  readonly distanceLo: number = 0;

  /** @param size bytes, 1 to 2^64 */
  constructor(first: bigint, size: bigint, target: bigint) {
    this.firstHi = hiOf(first) | 0;
    this.firstLo = loOf(first) | 0;
    this.spanHi = hiOf(size - 1n) | 0;
    this.spanLo = loOf(size - 1n) | 0;
    this.distanceHi = hiOf(target - first) | 0;
    this.distanceLo = loOf(target - first) | 0;
  }

  /** Does an address lie in it? Halves of either sign, as below. */
  has(hi: number, lo: number): boolean {
    const { firstLo, spanHi, spanLo } = this;
    const ahead = (hi - this.firstHi - (lo >>> 0 < firstLo >>> 0 ? 1 : 0)) | 0;
    return ahead === spanHi ? (lo - firstLo) >>> 0 <= spanLo >>> 0 : ahead >>> 0 < spanHi >>> 0;
  }

  /** Low half of what an address stands for, signed. */
  targetLo(lo: number): number {
    return (lo + this.distanceLo) | 0;
  }

  /** High half of what an address stands for, signed. */
  targetHi(hi: number, lo: number): number {
    const { distanceLo } = this;
    return (hi + this.distanceHi + ((lo + distanceLo) >>> 0 < distanceLo >>> 0 ? 1 : 0)) | 0;
  }

  /** Pages that begin behind an address of the map, and in it. */
  pagesBehind(hi: number, lo: number, pageShift: number): number {
    const { firstLo, spanLo } = this;
    const aheadLo = (lo - firstLo) | 0;
    const aheadHi = (hi - this.firstHi - (lo >>> 0 < firstLo >>> 0 ? 1 : 0)) | 0;
    const behindHi = this.spanHi - aheadHi - (spanLo >>> 0 < aheadLo >>> 0 ? 1 : 0);
    return pageOf(behindHi >>> 0, (spanLo - aheadLo) >>> 0, pageShift);
  }
}
