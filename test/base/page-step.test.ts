import { describe, expect, it } from "vitest";
import { pageStep } from "../../src/base/page-step.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { times } from "../helpers/some.ts";
import { anyValue, halves } from "./halves.ts";

/** Page counts of all lengths, up to 2^53. */
const anyCount = (random: Random): number => Number((random.u64() >> 11n) >> BigInt(random.below(54)));

describe("steps of pages", () => {
  it.each(Array.from({ length: 64 }, (_, shift) => shift))("have the constants of shift %i", (shift) => {
    const step = pageStep(shift);
    const size = 1n << BigInt(shift);
    const mask = BigInt.asUintN(64, -size);
    expect([step.shift, step.sizeHi, step.sizeLo]).toEqual([shift, ...halves(size)]);
    expect([step.maskHi >>> 0, step.maskLo >>> 0]).toEqual(halves(mask));
    expect(step.maskLo | 0).toBe(step.maskLo);
    expect(step.maskHi | 0).toBe(step.maskHi);
  });

  it(`are those of bigints modulo 2^64, SEED=${runSeed()}`, () => {
    const random = new Random(runSeed());
    const wrong: string[] = [];
    for (let i = 0; i < times(10_000, 40_000); i++) {
      const shift = random.below(64);
      const step = pageStep(shift);
      const [value, pages] = [anyValue(random), anyCount(random)];
      const [hi, lo] = halves(value);
      const bytes = BigInt.asUintN(64, BigInt(pages) << BigInt(shift));
      const sum = BigInt.asUintN(64, value + bytes);
      const found = [
        step.bytesHi(pages),
        step.bytesLo(pages),
        step.addHi(hi, lo, pages),
        step.addLo(lo, pages),
      ];
      if (`${found}` !== `${[...halves(bytes), ...halves(sum)]}`) {
        wrong.push(`${value} and ${pages} pages of shift ${shift}: ${found}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it(`say whether a value follows another one, but not around the top, SEED=${runSeed()}`, () => {
    const random = new Random(runSeed());
    const wrong: string[] = [];
    let following = 0;
    for (let i = 0; i < 40_000; i++) {
      const shift = random.below(64);
      const value = anyValue(random);
      // What a table can hold: the sum stays far below 2^128, but may pass 2^64.
      const pages = Number(random.u64() & 0xffff_ffffn) >>> random.below(32);
      const sum = value + (BigInt(pages) << BigInt(shift));
      const other = random.pick([
        sum,
        sum,
        sum + 1n,
        sum ^ (1n << BigInt(random.below(64))),
        anyValue(random),
      ]);
      const second = BigInt.asUintN(64, other);
      const expected = second === sum;
      if (expected) following++;
      // For the high half bytesHi is taken modulo 2^32: callers never pass more bytes than 64 bits have.
      if (BigInt(pages) << BigInt(shift) >= 1n << 64n) continue;
      if (pageStep(shift).follows(...halves(value), pages, ...halves(second)) !== expected) {
        wrong.push(`${second} behind ${pages} pages of shift ${shift} from ${value}: not ${expected}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(following).toBeGreaterThan(4000);
  });
});
