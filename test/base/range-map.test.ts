import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { type AddressRange, overlaps, rangeOf } from "../../src/base/range.ts";
import { RangeMap } from "../../src/base/range-map.ts";
import { times } from "../helpers/some.ts";

/** Above 2^53 neighbours are the same number when they are rounded. */
const BASES = [0n, 2n ** 53n - 64n, 2n ** 64n - 128n];

describe("a map of ranges", () => {
  it.each(BASES)("finds what a list finds, around %d", (base) => {
    const random = new Random(1);
    const map = new RangeMap<AddressRange>();
    let list: AddressRange[] = [];
    for (let i = 0; i < times(500, 2000); i++) {
      const range = rangeOf(base + BigInt(random.below(120)), BigInt(1 + random.below(8)));
      const shared = list.filter((other) => overlaps(other, range));
      expect(map.overlapping(range)).toEqual(shared);
      expect(map.firstIn(range)).toBe(shared[0]);
      expect(map.at(range.last)).toBe(list.find((other) => overlaps(other, rangeOf(range.last, 1n))));
      if (shared.length === 0) {
        map.add(range);
        list = [...list, range].sort((a, b) => (a.first < b.first ? -1 : 1));
      } else if (random.chance(0.5)) {
        map.delete(shared[0]!);
        list = list.filter((other) => other !== shared[0]);
      }
      expect(map.all).toEqual(list);
    }
  });
});
