import { describe, expect, it } from "vitest";
import {
  entryOf,
  hex,
  hex64,
  hiOf,
  hiOfNumber,
  isBelow,
  log2Of,
  loOf,
  loOfNumber,
  maxBig,
  minBig,
  pageOf,
  toBig,
} from "../../src/base/u64.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { anyValue, halves } from "./halves.ts";

const ROUNDS = 20_000;

/** Calls a check with random values and gives its complaints. */
function complaints(check: (value: bigint, other: bigint, random: Random) => string | false): string[] {
  const random = new Random(runSeed());
  const found: string[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const [value, other] = [anyValue(random), anyValue(random)];
    const complaint = check(value, other, random);
    if (complaint !== false) found.push(`${value}, ${other}: ${complaint}`);
  }
  return found;
}

describe(`64-bit values in halves, SEED=${runSeed()}`, () => {
  it("are taken apart and joined again", () => {
    const wrong = complaints((value) => {
      const [hi, lo] = halves(value);
      return (hiOf(value) !== hi || loOf(value) !== lo || toBig(hi, lo) !== value) && `${hi} ${lo}`;
    });
    expect(wrong).toEqual([]);
  });

  it("are joined from signed halves, too, as bitwise operators give them", () => {
    const wrong = complaints((value) => {
      const [hi, lo] = halves(value);
      return toBig(hi | 0, lo | 0) !== value && "signed";
    });
    expect(wrong).toEqual([]);
  });

  it("are taken apart modulo 2^64", () => {
    for (const beyond of [-1n, -(2n ** 63n), 2n ** 64n, 2n ** 64n + 5n, 3n * 2n ** 95n + 7n]) {
      const [hi, lo] = halves(BigInt.asUintN(64, beyond));
      expect([hiOf(beyond), loOf(beyond)]).toEqual([hi, lo]);
    }
  });

  it("come from whole numbers up to 2^53", () => {
    const wrong = complaints((value) => {
      const number = Number(value & (2n ** 53n - 1n));
      const [hi, lo] = halves(BigInt(number));
      return (hiOfNumber(number) !== hi || loOfNumber(number) !== lo) && `${number}`;
    });
    expect(wrong).toEqual([]);
    expect([hiOfNumber(2 ** 53), loOfNumber(2 ** 53)]).toEqual([2 ** 21, 0]);
  });

  it("are compared as numbers without a sign, whatever sign their halves have", () => {
    const wrong = complaints((value, other, random) => {
      // Equal high halves are what the comparison of low halves is for.
      const second = random.below(3) === 0 ? (value & ~0xffff_ffffn) | (other & 0xffff_ffffn) : other;
      const [hi, lo] = halves(value);
      const [hi2, lo2] = halves(second);
      const expected = value < second;
      const plain = isBelow(hi, lo, hi2, lo2);
      const signed = isBelow(hi | 0, lo | 0, hi2, lo2 | 0);
      return (plain !== expected || signed !== expected) && `${value < second}`;
    });
    expect(wrong).toEqual([]);
  });

  it("lie in pages: exact from shift 11 on, and never rounded to below 2^53 before", () => {
    const wrong = complaints((value, _, random) => {
      const shift = random.below(64);
      const [hi, lo] = halves(value);
      const page = pageOf(hi, lo, shift);
      const expected = value >> BigInt(shift);
      const isRight = expected < 2n ** 53n ? BigInt(page) === expected : page >= 2 ** 53;
      return !isRight && `page ${page} of shift ${shift}`;
    });
    expect(wrong).toEqual([]);
  });

  it("are entries of tables of less than 2^32, or the last number of 32 bits", () => {
    const wrong = complaints((value, _, random) => {
      const shift = random.below(64);
      const [hi, lo] = halves(value);
      const expected = minBig(value >> BigInt(shift), 0xffff_ffffn);
      return (
        BigInt(entryOf(hi, lo, shift)) !== expected && `entry ${entryOf(hi, lo, shift)} of shift ${shift}`
      );
    });
    expect(wrong).toEqual([]);
  });

  it("have a logarithm if they are powers of two", () => {
    for (let shift = 0; shift < 64; shift++) expect(log2Of(...halves(1n << BigInt(shift)))).toBe(shift);
  });

  it("are written as text that says the same number", () => {
    const wrong = complaints((value) => {
      const isShort = BigInt(hex(value)) === value && /^0x(?:0|[1-9a-f][0-9a-f]*)$/.test(hex(value));
      const isLong = BigInt(hex64(value)) === value && /^0x[0-9a-f]{16}$/.test(hex64(value));
      return !(isShort && isLong) && `${hex(value)} ${hex64(value)}`;
    });
    expect(wrong).toEqual([]);
    expect([hex(-1n), hex64(-4n), hex(255)]).toEqual(["0xffffffffffffffff", "0xfffffffffffffffc", "0xff"]);
  });

  it("have a smaller and a larger one", () => {
    const wrong = complaints((a, b) => {
      const [smaller, larger] = a < b ? [a, b] : [b, a];
      return (minBig(a, b) !== smaller || maxBig(a, b) !== larger) && "order";
    });
    expect(wrong).toEqual([]);
  });
});
