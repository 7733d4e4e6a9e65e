import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { COSTS, costNotes, stallText, stallVerdict, VirtualClock } from "../../src/lab/cost-model.ts";
import { modelReplays, pathTable, REPLAY_MODELS } from "../../src/lab/replay-costs.ts";

describe("the costs", () => {
  it.each(Object.entries(COSTS))(
    "%s has a source, or says that it is assumed",
    (_name, { source, nanoseconds }) => {
      expect(nanoseconds).toBeGreaterThan(0);
      expect(source).toMatch(/^assumed: |measured|baseline|\/|docs/);
      for (const [file] of source.matchAll(/\b(?:docs|test)\/[\w./-]+\w/g)) {
        const at = path.resolve(import.meta.dirname, "../..", file);
        expect(existsSync(at) || existsSync(`${at}.json`), file).toBe(true);
      }
    },
  );
});

describe("what Linux reports", () => {
  it.each([
    [0, undefined, "no report"],
    [19.9, undefined, "no report"],
    [20, undefined, "soft lockup"],
    [20.9, undefined, "soft lockup"],
    [21, undefined, "soft lockup, RCU stall"],
    [59, 30, "RCU stall"],
    [60, 30, "soft lockup, RCU stall"],
    [1000, 0, "RCU stall"],
  ])("after %d s with watchdog_thresh %s: %s", (seconds, thresh, text) => {
    expect(stallText(seconds, thresh)).toBe(text);
  });

  it("is the same as a verdict", () => {
    expect(stallVerdict(20.5)).toEqual({ rcuStall: false, softLockup: true });
  });
});

describe("a virtual clock", () => {
  it("adds up what is spent, and knows the longest stretch that was one", () => {
    const clock = new VirtualClock();
    clock.block(() => clock.spend("tceSaved", 1e9));
    clock.spend("mapCall", 500_000_000);
    clock.block(() => {
      clock.spend("tceSaved", 1e9);
      clock.spend("pagePinned", 4);
    });
    expect(clock.seconds).toBeCloseTo(146 + 1000 + 1e-6, 9);
    expect(clock.longestBlock).toBeCloseTo(73 + 1e-6, 6);
    expect(clock.spent.map(({ name, count }) => [name, count])).toEqual([
      ["tceSaved", 2e9],
      ["mapCall", 5e8],
      ["pagePinned", 4],
    ]);
    expect(costNotes([clock])).toHaveLength(3);
  });
});

describe("the model of a replay", () => {
  const work = { entries: 2 ** 31, pages: 10, mapCalls: 2, pinnedPages: 0 };
  const blocked = Object.fromEntries(
    modelReplays(work, REPLAY_MODELS).map(({ strategy, table, clock }) => [
      `${strategy.split(" ")[0]} ${table}`,
      clock.longestBlock,
    ]),
  );

  // By hand: 2^31 x 12.5 ns = 26.84 s, x 20.5 ns = 44.02 s, x 1.8 ns = 3.87 s.
  it.each([
    ["page dense", 70.87],
    ["page counted", 44.02],
    ["skip dense", 26.84],
    ["skip counted", 0],
    ["counted dense", 30.71],
    ["counted counted", 0],
    ["wait dense", 44.02],
    ["wait counted", 44.02],
  ])("of 2^31 TCEs: %s", (name, seconds) => {
    expect(blocked[name]).toBeCloseTo(seconds, 1);
  });

  it("has the figures that were measured of QEMU's plug: 65 to 82 s", () => {
    expect(blocked["page dense"]).toBeGreaterThan(65);
    expect(blocked["page dense"]).toBeLessThan(82);
  });

  it("of a guest's calls has no call that is long", () => {
    const { rows } = pathTable(1152, 589_824);
    expect(rows.map(([path, one, says, all]) => [path, one, says, all])).toEqual([
      ["KVM, real mode", "11.1 us", "no report", "12.7 ms"],
      ["KVM, virtual mode", "12.8 us", "no report", "14.7 ms"],
      ["QEMU in user space", "19.8 us", "no report", "22.8 ms"],
    ]);
  });
});
