import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";

const readCase = (name: string): string =>
  readFileSync(new URL(`../../cases/${name}`, import.meta.url), "utf8");

/** The recording without the faults that stand in it, which are those of the log. */
const EVENTS = readCase("03-ring-writeback-fault.txt")
  .split("\n")
  .filter((line) => !line.includes("IO_PAGE_FAULT"));
/** The log by the time of day: 3600.31 s after boot is 12:00:00.31. */
const LOG = readCase("03-faults.dmesg").replaceAll(/^\[ 3600\.(\d+)\] /gm, "2026-11-27T12:00:00.$1Z ");
const [FIRST, SECOND] = ["fec3a08c", "fec3a0dc"];

/** The recording with faults as events of the IOMMU, at times of the trace's clock. */
function withFaults(...faults: readonly (readonly [address: string, time: string])[]): string {
  const at = EVENTS.findIndex((line) => line.includes("3602."));
  const lines = faults.map(
    ([address, time]) =>
      `   irq/29-AMD-Vi-140     [003] ..... ${time}: io_page_fault: IOMMU:wlan7 0000:0a:00.0 iova=0x00000000${address} flags=0x0001`,
  );
  return [...EVENTS.slice(0, at), ...lines, ...EVENTS.slice(at)].join("\n");
}

const OTHER_CLOCK = /its clock and the trace's count from different moments/;
const check = async (trace: Parameters<typeof checkTrace>[0]) => {
  const { findings, notJudged } = await checkTrace(trace, { kernelLog: LOG });
  const unmatched = notJudged.find(({ reason }) => OTHER_CLOCK.test(reason))?.count ?? 0;
  return { faults: findings.filter(({ kind }) => kind === "io-fault"), unmatched };
};

describe("a log on another clock than the trace", () => {
  it.each([
    { name: "one fault", faults: [[FIRST, "3600.310002"]] },
    {
      name: "two that agree",
      faults: [
        [FIRST, "3600.310002"],
        [SECOND, "3600.310051"],
      ],
    },
  ] as const)("is put between the events by $name of both", async ({ faults }) => {
    const { faults: found, unmatched } = await check(withFaults(...faults));
    expect(unmatched).toBe(0);
    expect(found).toMatchObject([
      { count: 10, message: expect.stringMatching(/60 ms after its unmap by event 66/) },
    ]);
  });

  it.each([
    { name: "nothing stands in both", faults: [] },
    {
      name: "a fault stands in one of them twice",
      faults: [
        [FIRST, "3600.310002"],
        [FIRST, "3600.310090"],
      ],
    },
    {
      name: "two of them disagree",
      faults: [
        [FIRST, "3600.310002"],
        [SECOND, "3601.310002"],
      ],
    },
  ] as const)("is not put anywhere if $name: that is said", async ({ faults }) => {
    const { unmatched } = await check(withFaults(...faults));
    expect(unmatched).toBe(10);
  });

  it("is not put anywhere if the trace can be read only once", async () => {
    async function* once() {
      yield new TextEncoder().encode(withFaults([FIRST, "3600.310002"]));
    }
    const { unmatched } = await check(once());
    expect(unmatched).toBe(10);
  });
});

describe("a log in which nothing is known", () => {
  it.each([
    { name: "of a kernel", text: "[    1.000000] Booting\n[    2.000000] done\n" },
    { name: "that is none", text: "# Read me\n\nThis is prose.\n" },
  ])("$name is no all-clear", async ({ text }) => {
    const { notJudged } = await checkTrace(EVENTS.join("\n"), { kernelLog: new TextEncoder().encode(text) });
    expect(notJudged).toContainEqual({
      count: 1,
      reason: "kernel log, in which no line tells of DMA, of an IOMMU, or of windows: is it one?",
    });
  });
});
