import { describe, expect, it } from "vitest";
import { corpusNames, readCorpus, readSidecar, TRACE_ENDINGS } from "../helpers/corpus.ts";
import { checkTrace } from "./checked.ts";

const LOGS = corpusNames("traces", TRACE_ENDINGS.log);
const SIMPLE = corpusNames("traces", TRACE_ENDINGS.simple);
const DMA = corpusNames("traces", TRACE_ENDINGS.dma);

/** What is wrong in recordings that nobody made wrong on purpose. */
const REAL_FINDINGS: Readonly<Record<string, readonly string[]>> = {
  // The driver of the LSI adapter whose commands time out unmaps one page three times.
  "lsi-that-times-out-linux612": ["unmap-unmapped", "unmap-unmapped"],
  // Linux 7.2 never unmaps the buffers of a disk whose window was refused (LINUX-DDW-6).
  "default-1g-nvme-e1000-linux72": ["never-unmapped"],
};

interface Planted {
  readonly op: string;
  readonly kind: string;
  readonly what: string;
  readonly first_line: number;
  readonly last_line: number;
  /** Of a missing sync: the map, what came before it, and what came behind. */
  readonly lines?: readonly number[];
  /** Can a missing sync be told from the recording? */
  readonly visible?: "yes" | "by habit" | "no";
}

/** The name of our finding for each kind of planted error; none for what a recording does not show, or what is right. */
function expectedKind({ kind, op, visible }: Planted): string | undefined {
  if (kind === "missing sync") return visible === "no" ? undefined : "missing-sync";
  if (kind === "sync") return undefined; // these kernels needed no sync and left no line
  if (kind === "overlap") return op === "map-twice-from" ? "double-map" : undefined; // reading twice is harmless
  const kinds: Readonly<Record<string, string>> = {
    leak: "leak",
    size: "size-mismatch",
    "sg entries": "size-mismatch",
    "unmap in the middle": "size-mismatch",
    direction: "direction-mismatch",
    "double unmap": "double-unmap",
    "kind of call": "mismatch",
    "failed calls": "map-failed",
  };
  return kinds[kind];
}

describe("a recording of QEMU", () => {
  // libvirt and shells that append to a log write one run behind the other.
  it("is judged to its end where another run follows in the file", () => {
    const leaky = readCorpus("traces", "default-1g-nvme-e1000-linux72.log");
    const fine = readCorpus("traces", "pgsz-256m-linux61.log");
    const kindsOf = (...runs: readonly Uint8Array[]): string[] =>
      checkTrace(Buffer.concat(runs)).findings.map(({ kind }) => kind);
    expect(kindsOf(leaky)).toEqual(["never-unmapped"]);
    expect(kindsOf(leaky, fine)).toEqual(["never-unmapped"]);
    expect(kindsOf(fine, leaky)).toEqual(["never-unmapped"]);
    expect(kindsOf(leaky, leaky)).toEqual(["never-unmapped", "never-unmapped"]);
  });

  it.each(LOGS)("is checked without a mismatch, and agrees with its sidecar: %s", (name) => {
    const report = checkTrace(readCorpus("traces", `${name}.log`));
    const { facts } = readSidecar("traces", name);
    expect(report.mismatches).toBe(0);
    expect(report.format).toBe("qemu-log");
    const counts = Object.values(facts.event_counts as Record<string, number>);
    const ours = Object.entries(facts.event_counts as Record<string, number>)
      .filter(([event]) => event.startsWith("spapr_iommu_"))
      .reduce((sum, [, count]) => sum + count, 0);
    expect(counts.length).toBeGreaterThan(0);
    expect(report.events).toBe(ours);
    const created = report.windows
      .filter(({ liobn }) => liobn % 0x100 === 1)
      .map(({ createdAt }) => createdAt?.line);
    const { windows_created = [], windows_removed = [] } = facts as Record<string, { line: number }[]>;
    for (const { line } of windows_created) expect(created).toContain(line);
    const removed = report.windows.map(({ removedAt }) => removedAt?.line);
    for (const { line } of windows_removed) expect(removed).toContain(line);
    const faults = report.findings.filter(({ kind }) => kind.startsWith("dma-"));
    const told = faults.reduce((sum, { count }) => sum + count, 0);
    expect(told).toBe(facts.xlate_faults_perm0 ?? 0);
    const others = report.findings.filter((finding) => !faults.includes(finding)).map(({ kind }) => kind);
    expect(others).toEqual(REAL_FINDINGS[name] ?? []);
  });

  it.each(SIMPLE)(
    "in the binary format has no mismatch, and nothing wrong but what is missing: %s",
    (name) => {
      const report = checkTrace(readCorpus("traces", `${name}.simple`));
      const { simple } = readSidecar("traces", name);
      expect(report.mismatches).toBe(0);
      expect(new Set(report.findings.map(({ kind }) => kind))).toEqual(
        new Set([
          ...(simple.dropped_event_records > 0 ? ["lost-events"] : []),
          ...(simple.torn_record_at_the_end === null ? [] : ["truncated"]),
        ]),
      );
      const lost = report.findings.filter(({ kind }) => kind === "lost-events");
      expect(lost.reduce((sum, { count }) => sum + count, 0)).toBe(simple.dropped_event_records);
    },
  );
});

describe("a recording of dma events", () => {
  it.each(DMA)("shows every planted error, and calls nothing else one: %s", (name) => {
    const report = checkTrace(readCorpus("traces", `${name}.txt`));
    const sidecar = readSidecar("traces", name);
    const planted = (sidecar.planted ?? []) as Planted[];
    const inside = (found: readonly number[], { first_line, last_line, lines }: Planted): boolean =>
      found.every((line) => lines?.includes(line) ?? (line >= first_line && line <= last_line));
    for (const error of planted) {
      const kind = expectedKind(error);
      const found = report.findings
        .filter(({ lines }) => inside(lines, error))
        .map((finding) => finding.kind);
      expect(found, `${error.op} at line ${error.first_line}`).toEqual(kind === undefined ? [] : [kind]);
    }
    const stray = report.findings.filter(({ lines }) => !planted.some((error) => inside(lines, error)));
    const markers = sidecar.facts.lost_marker_count;
    expect(stray).toMatchObject(markers > 0 ? [{ kind: "lost-events", count: markers }] : []);
    expect(report.events).toBe(
      Object.values(sidecar.facts.event_counts as Record<string, number>).reduce(
        (sum, count) => sum + count,
        0,
      ),
    );
  });
});
