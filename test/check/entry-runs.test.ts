import { describe, expect, it } from "vitest";
import { forEachEntryRun } from "../../src/check/windows/entry-runs.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { Random, runSeed } from "../helpers/random.ts";

const LENGTH = 1500;

/** `first pages target perm step` of each run, as {@link forEachEntryRun} gives them. */
function runsOf(table: TceTable, first: number, end: number): string[] {
  const runs: string[] = [];
  forEachEntryRun(table, first, end, ({ first: from, pages, targetHi: hi, targetLo: lo, perm, step }) => {
    runs.push([from, pages, (BigInt(hi) << 32n) | BigInt(lo), perm, step].join(" "));
  });
  return runs;
}

/** The same, entry by entry. */
function modelRuns(table: TceTable, first: number, end: number): string[] {
  const runs: { from: number; pages: number; target: bigint; last: bigint; perm: bigint; step: number }[] =
    [];
  const size = 1n << BigInt(table.pageShift);
  for (let index = first; index < end; index++) {
    const entry = table.get(index);
    const perm = entry & 3n;
    const target = (entry / size) * size;
    if (perm === 0n) continue;
    const run = runs.at(-1);
    if (run !== undefined && run.from + run.pages === index && run.perm === perm) {
      const step = target === run.last ? 0 : target === run.last + size ? 1 : -1;
      if (step >= 0 && (run.pages === 1 || run.step === step)) {
        Object.assign(run, { pages: run.pages + 1, last: target, step });
        continue;
      }
    }
    runs.push({ from: index, pages: 1, target, last: target, perm, step: 1 });
  }
  return runs.map(({ from, pages, target, perm, step }) => [from, pages, target, perm, step].join(" "));
}

describe("runs of entries", () => {
  it("are those of a walk over the entries, wherever the table is split", () => {
    const seed = runSeed();
    const random = new Random(seed);
    for (let round = 0; round < 60; round++) {
      const pageShift = random.pick([12, 16, 24, 34]);
      const table = new TceTable({ length: LENGTH, pageShift });
      for (let step = 0; step < 120; step++) {
        const first = random.below(LENGTH);
        const hi = random.pick([0, 0, 1]);
        // Few values that follow one another, with bits that do not count.
        const lo = ((random.below(6) << 16) | (random.below(2) << 3) | random.below(4)) >>> 0;
        if (random.chance(0.5)) table.put(first, hi, lo);
        else table.fill(first, Math.min(1 + random.below(400), LENGTH - first), hi, lo);
        // A list as drivers make it: consecutive pages.
        if (random.chance(0.2)) {
          for (let i = 0; i < 40 && first + i < LENGTH; i++) {
            const value = (BigInt(i) << BigInt(pageShift)) | 3n;
            table.put(first + i, Number(value >> 32n), Number(value & 0xffff_ffffn));
          }
        }
      }
      const from = random.below(LENGTH);
      const end = from + random.below(LENGTH - from);
      for (const [a, b] of [
        [0, LENGTH],
        [from, end],
      ] as const) {
        expect(runsOf(table, a, b), `SEED=${seed} round ${round}`).toEqual(modelRuns(table, a, b));
      }
    }
  });

  it("are one where 2^31 pages map one target", () => {
    const table = new TceTable({ length: 2 ** 31, pageShift: 12 });
    table.fill(0, 2 ** 31, 0, 0x5003);
    expect(runsOf(table, 0, 2 ** 31)).toEqual([`0 ${2 ** 31} ${0x5000} 3 0`]);
    table.put(2 ** 30, 0, 0x6003);
    expect(runsOf(table, 1, 2 ** 31)).toEqual([
      `1 ${2 ** 30 - 1} ${0x5000} 3 0`,
      `${2 ** 30} 1 ${0x6000} 3 1`,
      `${2 ** 30 + 1} ${2 ** 30 - 1} ${0x5000} 3 0`,
    ]);
  });

  it("are none of a window without a table", () => {
    forEachEntryRun(null, 0, 10, () => expect.unreachable());
  });
});
