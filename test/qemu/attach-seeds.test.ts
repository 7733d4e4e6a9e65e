import { describe, expect, it } from "vitest";
import { attach } from "../../src/live/attach.ts";
import type { AttachEnd, Attached } from "../../src/live/attach-options.ts";
import { noGuard } from "../../src/live/guard.ts";
import type { LiveWindow } from "../../src/live/live-state.ts";
import { rounds } from "../helpers/random.ts";
import { RunningQemu } from "./running-qemu.ts";
import { expectedWindows, pagesOf, traceableScript } from "./traceable-script.ts";

const OPERATIONS = 300;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Attaches in the middle of a script, and ends after its last operation. */
async function follow(
  seed: number,
  base: "auto" | "mtree",
  more: readonly string[],
): Promise<{ attached: Attached; end: AttachEnd; expected: readonly LiveWindow[] }> {
  const script = traceableScript(seed, OPERATIONS);
  const qemu = await RunningQemu.start(script, { gates: [script.lines.length >> 1], more });
  try {
    await qemu.atGate();
    const stop = new AbortController();
    let attached: Attached | undefined;
    let failed: unknown;
    const end = attach({
      monitor: { socket: qemu.qmp },
      base,
      largeWindows: true,
      guard: noGuard,
      signal: stop.signal,
      mappings: true,
      refreshSeconds: 1,
      onAttached: (found) => {
        attached = found;
        qemu.openGate();
      },
      onState: () => {},
      onDoubt: () => {},
    }).catch((error) => {
      failed = error;
      throw error;
    });
    end.catch(() => {});
    while (attached === undefined && failed === undefined)
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (failed === undefined) await qemu.atGate();
    stop.abort();
    return { attached: attached!, end: await end, expected: expectedWindows(script) };
  } finally {
    await qemu.stop();
  }
}

describe.each([
  { name: "with times", times: ["-msg", "timestamp=on"] },
  { name: "without times", times: [] },
])("attach to a QEMU that logs $name", ({ times }) => {
  // Half of them by the saved state, half by a log that has been on from the start.
  it.each(numbers(rounds(100)))(
    "has the state that the engine has, entry by entry: seed %i",
    async (seed) => {
      const trace = seed % 2 === 0 ? ["-trace", "spapr_iommu_*"] : [];
      const { attached, end, expected } = await follow(seed, "auto", [...times, ...trace]);
      expect(attached.base.kind).toBe(seed % 2 === 0 ? "log" : "save");
      expect(end).toMatchObject({ reason: "asked", doubts: [] });
      expect(end.state.mismatches).toEqual([]);
      expect(end.state.windows).toEqual(expected);
      expect(end.state.counts).toMatchObject({ mismatches: 0, undetermined: 0 });
    },
  );

  it.each(numbers(rounds(20)))("shows nothing else by the memory tree: seed %i", async (seed) => {
    const { end, expected } = await follow(seed, "mtree", times);
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
});
