import { describe, expect, it } from "vitest";
import type { OpScript } from "../../src/formats/op-script/script.ts";
import type { AttachOptions } from "../../src/live/attach-options.ts";
import { rounds } from "../helpers/random.ts";
import { type Followed, follow } from "./follow.ts";
import { RunningQemu } from "./running-qemu.ts";
import { expectedWindows, pagesOf, traceableScript } from "./traceable-script.ts";
import { VIO_LIOBN, vioScript } from "./vio-script.ts";

const OPERATIONS = 300;
const TRACE = ["-trace", "spapr_iommu_*"];
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Attaches to a QEMU in the middle of a script, or where it says, and ends after its last operation. */
async function followQemu(
  script: OpScript,
  base: AttachOptions["base"],
  more: readonly string[],
  gate = script.lines.length >> 1,
): Promise<Followed> {
  const qemu = await RunningQemu.start(script, { gates: [gate], more });
  try {
    return await follow(qemu.guest, { socket: qemu.qmp }, base);
  } finally {
    await qemu.stop();
  }
}

describe.each([
  { name: "with times", times: ["-msg", "timestamp=on"] },
  { name: "without times", times: [] },
])("attach to a QEMU that logs $name", ({ times }) => {
  // Half of them by the saved state, half by a log that has been on from the start.
  const withBase = (seed: number): string[] => (seed % 2 === 0 ? [...times, ...TRACE] : times);

  it.each(numbers(rounds(100)))(
    "has the state that the engine has, entry by entry: seed %i",
    async (seed) => {
      const script = traceableScript(seed, OPERATIONS);
      const { attached, end } = await followQemu(script, "auto", withBase(seed));
      expect(attached.base.kind).toBe(seed % 2 === 0 ? "log" : "save");
      expect(end).toMatchObject({ reason: "asked", doubts: [] });
      expect(end.state.mismatches).toEqual([]);
      expect(end.state.windows).toEqual(expectedWindows(script));
      expect(end.state.counts).toMatchObject({ mismatches: 0, undetermined: 0 });
    },
  );

  it.each(numbers(rounds(20)))("shows nothing else by the memory tree: seed %i", async (seed) => {
    const script = traceableScript(seed, OPERATIONS);
    const { end } = await followQemu(script, "mtree", times);
    const expected = expectedWindows(script);
    expect(end.reason).toBe("asked");
    expect(end.state.mismatches).toEqual([]);
    for (const window of expected) {
      const shown = end.state.windows.find(({ liobn }) => liobn === window.liobn);
      if (shown === undefined) {
        // One with pages of a size that nothing told.
        expect(end.doubts.join("\n")).toMatch(new RegExp(`pages of window ${window.liobn}|nothing tells`));
        continue;
      }
      const { busOffset, pageShift, entries } = window;
      expect(shown).toMatchObject({ busOffset, pageShift, entries, assumed: false });
      const real = pagesOf(window);
      for (const [ioba, target] of pagesOf(shown)) expect(real.get(ioba), `${ioba}`).toBe(target);
      expect(shown.certainty.unknown + shown.mapped).toBeGreaterThanOrEqual(window.mapped);
    }
    for (const { liobn } of end.state.windows) expect(expected.map((one) => one.liobn)).toContain(liobn);
  });

  it.each(numbers(rounds(100)))(
    "finds no difference in a VIO table that is cleared without a line and filled again: seed %i",
    async (seed) => {
      const script = vioScript(seed, OPERATIONS, false);
      const { end } = await followQemu(script, "auto", withBase(seed));
      expect(end).toMatchObject({ reason: "asked", doubts: [] });
      expect(end.state.mismatches).toEqual([]);
      expect(end.state.counts).toMatchObject({ mismatches: 0, undetermined: 0 });
      expect(end.state.windows).toEqual(expectedWindows(script));
    },
  );

  it.each([1, 2])("knows that a VIO device bypasses its window: seed %i", async (seed) => {
    const script = vioScript(seed, 100, true);
    const { end } = await followQemu(script, "auto", withBase(seed), script.lines.length - 1);
    expect(end.state.windows.find(({ liobn }) => liobn === VIO_LIOBN)).toMatchObject({ bypass: true });
    expect(end.state.windows).toEqual(expectedWindows(script));
  });
});
