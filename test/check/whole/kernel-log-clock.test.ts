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
  const NOTHING = {
    count: 1,
    reason: "kernel log, in which no line tells of DMA, of an IOMMU, or of windows: is it one?",
  };
  const checkWith = (kernelLog: Uint8Array) =>
    checkTrace(EVENTS.join("\n"), { kernelLog, kernelLogName: "log" });
  const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

  it.each([
    { name: "dmesg", text: "[    1.000000] Booting\n[    2.000000] done\n" },
    { name: "dmesg -d", text: "[    1.234567 <    0.000123>] Booting\n" },
    { name: "dmesg -T", text: "[Fri Nov 27 22:13:24 2026] Booting\n" },
    { name: "dmesg -x", text: "kern  :info  : Booting\n" },
    { name: "dmesg --time-format iso", text: "2026-11-27T22:13:24,627005+00:00 Booting\n" },
    { name: "/dev/kmsg", text: "6,1234,5678901,-;Booting\n" },
    { name: "a console with callers", text: "[    1.000000][    T0] Booting\n" },
    { name: "syslog", text: "Nov 27 22:13:24 host kernel: Booting\n" },
    { name: "RFC 5424", text: "<6>1 2026-11-27T22:13:24.627Z host kernel - - - Booting\n" },
    { name: "journalctl -o json", text: '{"_TRANSPORT":"kernel","MESSAGE":"Booting"}\n' },
    { name: "journalctl -o export", text: "_TRANSPORT=kernel\nMESSAGE=Booting\n" },
    { name: "a log behind a hole of zeros", text: `${"\0".repeat(300)}[    1.000000] Booting\n` },
  ])("is said where it is one: $name", async ({ text }) => {
    const { notJudged } = await checkWith(bytesOf(text));
    expect(notJudged).toContainEqual(NOTHING);
  });

  it.each([
    { name: "nothing", text: "" },
    { name: "prose", text: "# Read me\n\nThis is prose.\n" },
    { name: "a log of QEMU", text: "spapr_iommu_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n" },
    { name: "a line that is cut off", text: "[    1.000000] Boot" },
    { name: "JSON", text: '{"machine": "pseries"}\n' },
  ])("is missing where it is none: $name", async ({ text }) => {
    const { notJudged } = await checkWith(bytesOf(text));
    expect(notJudged).toContainEqual({ ...NOTHING, isMissing: true });
  });

  /** Bytes that no text has, and nothing known begins with. */
  const noise = Array.from({ length: 300 }, (_, i) => String.fromCharCode(((i * 101) % 255) + 1)).join("");
  it.each([
    { name: "UTF-16", text: `\xff\xfe${[...LOG].join("\0")}\0`, message: /text in UTF-16; .*iconv/ },
    { name: "packed by lz4", text: "\x04\x22\x4d\x18d@\xa7\x27\x01\0\0", message: /lz4 -d FILE/ },
    { name: "a zip", text: "PK\x03\x04\x14\0\0\0", message: /unzip FILE/ },
    { name: "a trace.dat", text: "\x17\x08Dtracing6\0", message: /a trace\.dat.*dmesg > dmesg\.txt/ },
    { name: "a perf.data", text: "PERFILE2\x68\0\0\0", message: /a perf\.data/ },
    { name: "noise", text: noise, message: /it is no text/ },
    { name: "zeros", text: "\0".repeat(100), message: /it is no text/ },
    {
      name: "a disk with a log on it",
      text: `QFI\xfb\0\0\0\x03\n${readCase("03-faults.dmesg")}`,
      message: /a qcow2 disk/,
    },
  ])("is refused where it is no text, as a trace is: $name", async ({ text, message }) => {
    const error = await checkWith(bytesOf(text)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/^log: no event that is known here: it /),
    });
    expect(`${error}`).toMatch(message);
  });
});
