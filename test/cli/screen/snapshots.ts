import type { AlivePattern } from "../../../src/live/alive-patterns.ts";
import type { LiveFinding } from "../../../src/live/live-findings.ts";
import type { LiveSnapshot, LiveWindow } from "../../../src/live/live-state.ts";
import type { WindowTraffic } from "../../../src/live/traffic.ts";

const window = (liobn: string, mapped: number, assumed = false): LiveWindow => ({
  liobn,
  busOffset: "0x0000000000000000",
  pageShift: 12,
  entries: 262_144,
  mapped,
  certainty: { known: mapped, inferred: 0, unknown: 262_144 - mapped, empty: 0 },
  assumed,
});

const traffic = (liobn: string, mappedPerSecond: number): WindowTraffic => ({
  liobn,
  pagesMapped: 10 * mappedPerSecond,
  pagesUnmapped: 0,
  translations: 5,
  mappedPerSecond,
  unmappedPerSecond: 7,
  translatedPerSecond: 123_456,
});

const pattern = (pages: number, count: number): AlivePattern => ({
  liobn: "0x80000000",
  pages,
  perm: 3,
  count,
  bytes: pages * count * 4096,
  oldest: { ioba: "0x0000000000123000", event: 77, seconds: 3.25 },
});

const finding = (message: string, severity: LiveFinding["severity"] = "error"): LiveFinding => ({
  kind: severity === "error" ? "dma-fault" : "double-map",
  severity,
  liobn: "0x80000000",
  ioba: "0x0000000000456000",
  pages: 1,
  count: 3,
  line: 1234,
  message,
});

/** A machine in the middle of its work. */
export const SNAPSHOT: LiveSnapshot = {
  seconds: 3723.4,
  lag: { bytes: 3 * 2 ** 20, seconds: 2.5 },
  events: 1_234_567,
  eventsPerSecond: 99_321,
  damagedLines: 0,
  windows: [window("0x80000000", 65_536), window("0x80000001", 131_072, true)],
  traffic: [traffic("0x80000000", 5000), traffic("0x80000001", 20_000)],
  alive: { patterns: [pattern(16, 10), pattern(1, 100)], more: 0, earlierPages: 42 },
  counts: {
    statuses: 1,
    translations: 2,
    confirmed: 3,
    contradicted: 0,
    learned: 4,
    undetermined: 0,
    silentClears: 0,
    mismatches: 0,
  },
  mismatches: [],
  findings: {
    errors: 1,
    warnings: 1,
    dropped: 0,
    last: [finding("a page is mapped twice", "warning"), finding("a DMA went nowhere")],
  },
  doubts: [],
};

/** So many windows, patterns and findings. */
export const large = (count: number): LiveSnapshot => ({
  ...SNAPSHOT,
  windows: Array.from({ length: count }, (_, i) => window(`0x${(0x80000000 + i).toString(16)}`, i)),
  alive: { ...SNAPSHOT.alive!, patterns: Array.from({ length: count }, (_, i) => pattern(i + 1, count - i)) },
  findings: { ...SNAPSHOT.findings, last: Array.from({ length: count }, (_, i) => finding(`number ${i}`)) },
});

/** Every text of a file is hostile. */
export const HOSTILE = "\u001b[2J\u001b]0;x\u0007\u009b31m\n\u202eüñ漢字";

export const hostile: LiveSnapshot = {
  ...SNAPSHOT,
  findings: { ...SNAPSHOT.findings, last: [finding(HOSTILE)] },
  doubts: [HOSTILE],
};
