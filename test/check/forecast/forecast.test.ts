import { describe, expect, it } from "vitest";
import { forecastMigration, formatForecast } from "../../../src/check/forecast/forecast.ts";
import { TceTable } from "../../../src/tce/tce-table.ts";
import { Random, runSeed } from "../../helpers/random.ts";

const windowOf = (table: TceTable | null) => ({ liobn: 0x8000_0000, busOffset: 0n, pageShift: 12, table });

/** Greedy runs, entry by entry. */
function naiveRuns(table: TceTable): number {
  let runs = 0;
  for (let i = 0; i < table.length; ) {
    const value = table.get(i);
    if (value === 0n) {
      i++;
      continue;
    }
    runs++;
    const step = table.get(i + 1) === value ? 0n : 0x1000n;
    let next = i + 1;
    while (
      next < table.length &&
      table.get(next) !== 0n &&
      table.get(next) === value + step * BigInt(next - i)
    )
      next++;
    i = next;
  }
  return runs;
}

describe("the forecast of a migration", () => {
  it("costs 8 bytes an entry, mapped or not", () => {
    const table = new TceTable({ length: 0x4_0000, pageShift: 12 });
    const [empty] = forecastMigration([windowOf(table)]);
    table.putRun(0, 1000, 0, 0x1003);
    const [mapped] = forecastMigration([windowOf(table)]);
    // The recorded default window takes 2,097,162 bytes, without a subsection of 32.
    expect(empty).toMatchObject({
      entries: 0x4_0000,
      bytes: 2_097_162 + 32,
      mapped: 0,
      runs: 0,
      sparseBytes: 46,
    });
    expect(mapped).toMatchObject({ bytes: empty!.bytes, seconds: empty!.seconds, mapped: 1000, runs: 1 });
    expect(mapped!.sparseBytes).toBe(46 + 17);
  });

  it.each([
    { name: "2^28 - 1", length: 2 ** 28 - 1, warning: undefined },
    { name: "2^28", length: 2 ** 28, warning: /the largest table that QEMU 7.2.22 was seen to save/ },
    { name: "2^29", length: 2 ** 29, warning: /2\^28 are the most that QEMU 7.2.22 was seen to save/ },
  ])(
    "warns of tables at and beyond the largest that QEMU was seen to save: $name entries",
    ({ length, warning }) => {
      const [forecast] = forecastMigration([windowOf(new TceTable({ length, pageShift: 16 }))]);
      expect(forecast!.warnings).toHaveLength(warning === undefined ? 0 : 1);
      if (warning !== undefined) expect(forecast!.warnings[0]).toMatch(warning);
      expect(forecast!.seconds).toBeGreaterThan(10);
    },
  );

  it("takes as long as a slow connection does", () => {
    const table = new TceTable({ length: 2 ** 20, pageShift: 12 });
    const [forecast] = forecastMigration([windowOf(table)], 1e6);
    expect(forecast!.seconds).toBeCloseTo((2 ** 23 + 42) / 1e6);
  });

  it("counts the runs that a walk over all entries finds", () => {
    const seed = runSeed();
    const random = new Random(seed);
    for (let round = 0; round < 200; round++) {
      const table = new TceTable({ length: 1500, pageShift: 12 });
      for (let i = random.below(12); i > 0; i--) {
        const first = random.below(1500);
        const count = 1 + random.below(Math.min(random.pick([2, 5, 700]), 1500 - first));
        const value = 0x1000 * (1 + random.below(4)) + random.below(4);
        if (random.below(2) === 0) table.fill(first, count, 0, value);
        else table.putRun(first, count, 0, value);
      }
      expect(forecastMigration([windowOf(table)])[0]!.runs, `seed ${seed}, round ${round}`).toBe(
        naiveRuns(table),
      );
    }
  });

  it("is a text for people", () => {
    const table = new TceTable({ length: 2 ** 29, pageShift: 16 });
    expect(formatForecast(forecastMigration([windowOf(table), windowOf(null)]))).toBe(
      [
        "0x80000000 at 0x0000000000000000, 4 KiB pages: 4 GiB, 39.2 s of standstill",
        "    0 of 536,870,912 entries are mapped; a sparse encoding of 0 runs would need 46 B",
        "    warning: 536,870,912 entries: 2^28 are the most that QEMU 7.2.22 was seen to save; do not migrate this guest with it",
        "0x80000000: no window, 42 B",
        "all tables: 4 GiB, 39.2 s of standstill",
      ].join("\n"),
    );
  });
});
