/**
 * 64-bit values as two unsigned 32-bit halves.
 *
 * Hot paths carry `(hi, lo)` pairs: a `bigint` that outlives one expression is
 * a heap object. `bigint` is for the public API, messages and tests. This is
 * the only module that converts between the two.
 *
 * @module
 */

// V8 folds a constant of the module itself, but loads an exported one each time.
const WEIGHT = 0x1_0000_0000;
/** 2^32, the weight of the high half. */
export const TWO32: number = WEIGHT;

/** The largest 64-bit value. */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;

// A value and its halves in one place: a store and a load take a tenth of the time that shifting a bigint does.
const whole = new BigUint64Array(1);
const halves = new Uint32Array(whole.buffer);
whole[0] = 1n;
const LO = halves[0] === 1 ? 0 : 1;
const HI = 1 - LO;

/**
 * Joins two halves. Either half may be a signed result of a bitwise operator.
 *
 * @public
 */
export const toBig = (hi: number, lo: number): bigint => {
  halves[HI] = hi;
  halves[LO] = lo;
  return whole[0]!;
};

/**
 * High half of a 64-bit value; exact for every value modulo 2^64.
 *
 * @public
 */
export const hiOf = (value: bigint): number => {
  whole[0] = value;
  return halves[HI]!;
};

/**
 * Low half of a 64-bit value; exact for every value modulo 2^64.
 *
 * @public
 */
export const loOf = (value: bigint): number => {
  whole[0] = value;
  return halves[LO]!;
};

/** Joins two unsigned halves to a number, exact below 2^53. A small one stays an integer, which no product does. */
export const numberOf = (hi: number, lo: number): number => (hi === 0 ? lo : hi * WEIGHT + lo);

/** High half of a whole number from 0 to 2^53. */
export const hiOfNumber = (value: number): number => (value * (1 / WEIGHT)) >>> 0;

/**
 * The same whole number, from -1 to 2^53. What floating-point arithmetic made is no small integer for V8, and a field
 * that held it once is slower for all objects of the class, unless it is told.
 */
export const smallInteger = (value: number): number => (value <= 0x7fff_ffff ? value | 0 : value);

/** Low half of a whole number from 0 to 2^53. */
export const loOfNumber = (value: number): number => value >>> 0;

/**
 * `0x0800000000001003`: sixteen digits, so that columns line up.
 *
 * @public
 */
export const hex64 = (value: bigint): string =>
  `0x${BigInt.asUintN(64, value).toString(16).padStart(16, "0")}`;

/**
 * `0x1003`: lower-case digits without leading zeros, as files and QEMU's trace write them.
 *
 * @public
 */
export const hex = (value: bigint | number): string => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;

/** Pages of `2^shift` bytes in 2^32 bytes; a table, because a power costs ten times the rest of {@link pageOf}. */
const PAGES_PER_HIGH: readonly number[] = Array.from({ length: 32 }, (_, shift) => 2 ** (32 - shift));

/**
 * Number of the page that an address lies in: `value >> shift`.
 *
 * Exact while the result is below 2^53, which every shift of 11 and more makes
 * sure of. With a smaller shift the result may be rounded, but never to a
 * value below 2^53.
 *
 * @param shift log2 of the page size, 0..63
 */
export function pageOf(hi: number, lo: number, shift: number): number {
  if (shift >= 32) return hi >>> (shift - 32);
  // The first 4 GiB, in which most addresses of a default window are, need no floating point.
  return hi === 0 ? lo >>> shift : hi * PAGES_PER_HIGH[shift]! + (lo >>> shift);
}

/**
 * {@link pageOf} for tables of less than 2^32 entries: at most 2^32 - 1, which
 * stands for everything further on. It never leaves 32-bit integers, so that
 * no caller's arithmetic becomes one of floating-point numbers.
 */
export function entryOf(hi: number, lo: number, shift: number): number {
  return hi === 0 && shift < 32 ? lo >>> shift : entryOfFar(hi, lo, shift);
}

/** {@link entryOf} behind the first 4 GiB; a function of its own, so that the other one is short. */
function entryOfFar(hi: number, lo: number, shift: number): number {
  // Shifts count modulo 32.
  if (shift >= 32) return hi >>> shift;
  if (hi >>> shift !== 0) return 0xffff_ffff;
  return (((hi << (31 - shift)) << 1) | (lo >>> shift)) >>> 0;
}

/** Is a 64-bit value below another one? Halves of either sign. */
export const isBelow = (hi: number, lo: number, otherHi: number, otherLo: number): boolean =>
  (hi ^ otherHi) === 0 ? lo >>> 0 < otherLo >>> 0 : hi >>> 0 < otherHi >>> 0;

/** log2 of a value above 0 in halves, rounded down. */
export const log2Of = (hi: number, lo: number): number =>
  hi === 0 ? 31 - Math.clz32(lo) : 63 - Math.clz32(hi);

/** log2 of a value above 0, rounded down. */
export const log2 = (value: bigint): number => value.toString(2).length - 1;

/** The larger of two values. */
export const maxBig = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** The smaller of two values. */
export const minBig = (a: bigint, b: bigint): bigint => (a < b ? a : b);
