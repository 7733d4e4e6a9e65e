import { describe, expect, it } from "vitest";
import { hiOf, loOf } from "../../../src/base/u64.ts";
import { IntervalIndex } from "../../../src/check/linux/interval-index.ts";
import { Random, runSeed } from "../../helpers/random.ts";

interface Interval {
  readonly start: bigint;
  readonly bytes: number;
}

const SEED = runSeed();
const STEPS = 1500;
/** From the first address on, over 4 GiB and over 2^53, where sums of halves are rounded, and up to the last one. */
const BASES = [0n, 2n ** 32n - 0x20000n, 2n ** 53n - 0x20000n, 2n ** 64n - 0x80000n];
/** Within a piece, of a piece, of several, and of nothing. */
const SIZES = [0, 1, 60, 1522, 4095, 4096, 4097, 9000, 0x10000, 0x30000];

const overlap = (a: Interval, b: Interval): boolean =>
  a.start < b.start + BigInt(b.bytes) && b.start < a.start + BigInt(a.bytes);

describe("an index of intervals", () => {
  // Of these seeds, counts of parts were lost when a longer stretch was made.
  const seeds = [SEED, 2, 3, 10, 24];
  const rows = seeds.flatMap((seed) => BASES.map((base) => ({ seed, base })));
  it.each(rows)("finds what a list finds, from $base on, SEED=$seed", ({ seed, base }) => {
    const random = new Random(seed);
    const index = new IntervalIndex<Interval>();
    const live: Interval[] = [];
    const wrong: string[] = [];
    const any = (): Interval => ({
      start: base + BigInt(random.below(0x40) * 0x800 + random.below(3) * 0x7ff),
      bytes: random.pick(SIZES),
    });
    for (let step = 0; step < STEPS; step++) {
      const wanted = any();
      const [hi, lo] = [hiOf(wanted.start), loOf(wanted.start)];
      const found = index.find(hi, lo, wanted.bytes, (one) => overlap(one, wanted));
      const is = found !== undefined && live.includes(found) && overlap(found, wanted);
      if (found === undefined ? live.some((one) => overlap(one, wanted)) : !is)
        wrong.push(`step ${step}: ${wanted.start} +${wanted.bytes}`);
      if (live.length > 40 || random.chance(0.4)) {
        const [gone] = live.splice(random.below(Math.max(live.length, 1)), 1);
        if (gone !== undefined) index.remove(hiOf(gone.start), loOf(gone.start), gone.bytes, gone);
      } else if (random.chance(0.5)) {
        live.push(wanted);
        index.add(hi, lo, wanted.bytes, wanted);
      } else {
        // It finds the same, and then adds.
        const again = index.findAndAdd(hi, lo, wanted.bytes, (one) => overlap(one, wanted), wanted);
        if (again !== found) wrong.push(`step ${step}: other when it is added`);
        live.push(wanted);
      }
      // What is not there is not taken out, and nothing else is.
      index.remove(hi, lo, wanted.bytes, any());
    }
    expect(wrong).toEqual([]);
  });
});
