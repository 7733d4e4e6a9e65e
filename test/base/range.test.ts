import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { contains, overlaps, rangeOf } from "../../src/base/range.ts";

const TOP = 2n ** 64n;

describe("an address range", () => {
  it.each([
    { first: 0n, size: 1n, last: 0n },
    { first: 0x1000n, size: 0x1000n, last: 0x1fffn },
    { first: TOP - 1n, size: 1n, last: TOP - 1n },
    { first: 0n, size: TOP, last: TOP - 1n },
  ])("of $size bytes at $first ends at $last", ({ first, size, last }) => {
    expect(rangeOf(first, size)).toEqual({ first, last });
  });

  it.each([
    { first: 0n, size: 0n },
    { first: 5n, size: -1n },
    { first: -1n, size: 2n },
    { first: TOP - 1n, size: 2n },
    { first: 1n, size: TOP },
  ])("is none with $size bytes at $first: the error names both", ({ first, size }) => {
    const make = (): unknown => rangeOf(first, size);
    expect(make).toThrow(IommuError);
    expect(make).toThrow(expect.objectContaining({ code: "OUT_OF_RANGE", details: { first, size } }));
    expect(make).toThrow(`of ${size} bytes is empty or passes 2^64`);
  });

  it("shares addresses with another one, or has all of them, as sets of numbers would", () => {
    const wrong: string[] = [];
    // All pairs within seven addresses, at the bottom and at the top of the space.
    for (const base of [0n, TOP - 7n]) {
      const ranges = [];
      for (let first = 0; first < 7; first++)
        for (let last = first; last < 7; last++)
          ranges.push({
            range: { first: base + BigInt(first), last: base + BigInt(last) },
            set: new Set(Array.from({ length: last - first + 1 }, (_, i) => first + i)),
          });
      for (const a of ranges) {
        for (const b of ranges) {
          const shared = [...b.set].filter((one) => a.set.has(one)).length;
          const found = [overlaps(a.range, b.range), contains(a.range, b.range)];
          if (`${found}` !== `${[shared > 0, shared === b.set.size]}`)
            wrong.push(`${[...a.set]} and ${[...b.set]}: ${found}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
