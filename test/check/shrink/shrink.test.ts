import { describe, expect, it } from "vitest";
import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "../../../src/check/check-options.ts";
import type { Finding } from "../../../src/check/findings/finding.ts";
import { checkOpScript } from "../../../src/check/script-check.ts";
import { shrink, shrinkInput } from "../../../src/check/shrink/shrink.ts";
import { targetOf } from "../../../src/check/shrink/target.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { create, HIGH, highPut, NEW_TABLE, put, xlate } from "../../helpers/qemu-lines.ts";
import { checkTrace } from "../checked.ts";

/** Shrinks the first finding of a kind. */
function shrunk(
  trace: string,
  kind: string,
  more: Partial<CheckOptions> = {},
): { readonly finding: Finding; readonly lines: readonly string[] } {
  const options = { ...DEFAULT_CHECK_OPTIONS, ...more };
  const report = checkTrace(trace, more);
  const finding = report.findings.find((one) => one.kind === kind)!;
  const target = targetOf(finding, report.windows);
  const input = shrinkInput(target);
  const reader = new QemuLogReader((event) => {
    if (event.number <= input.lastEvent) input.take(event);
  });
  reader.push(new TextEncoder().encode(trace));
  return { finding, lines: shrink(input.operations, target, options) };
}

const cycle = (ioba: string): string => put(ioba, "0x2001") + put(ioba, "0x0");
const vioPut = put("0x1000", "0x2003", 0, "0x71000003").replace("pci_", "");
const vioTable = "spapr_iommu_new_table liobn=0x71000003 table=0x1000 fd=-1\n";
const get = "spapr_iommu_pci_get liobn=0x80000000 ioba=0x1000 ret=0 tce=0x9003\n";
/** A window of 16 pages, 15 of them mapped in two pieces. */
let full = NEW_TABLE + create(HIGH);
for (let page = 0; page < 16; page++) {
  if (page !== 7) full += highPut(page, `0x${(0x90 - page).toString(16)}0003`);
}
/** A window of 1024 pages, nearly full, no piece of 16 pages free. */
let fragmented = NEW_TABLE + create(HIGH, "0x80000001", "0x4000000");
for (let page = 0; page < 1024; page++) {
  if (page % 128 >= 6) fragmented += highPut(page, "0x50003");
}

describe("a shrunk script", () => {
  it.each<{ name: string; kind: string; trace: string; operations: number; options?: Partial<CheckOptions> }>(
    [
      {
        name: "double map",
        kind: "double-map",
        trace: NEW_TABLE + put("0x1000", "0x2003").repeat(9),
        operations: 2,
      },
      { name: "of VIO", kind: "double-map", trace: vioTable + vioPut + vioPut, operations: 2 },
      {
        name: "replaced",
        kind: "replaced-live",
        trace: NEW_TABLE + put("0x5000", "0x1003") + put("0x1000", "0x2003") + put("0x1000", "0x5003"),
        operations: 2,
      },
      {
        name: "unmap twice",
        kind: "unmap-unmapped",
        trace: NEW_TABLE + put("0x1000", "0x2003") + put("0x1000", "0x0").repeat(2),
        operations: 3,
      },
      {
        name: "what was mapped before the trace",
        kind: "unmap-unmapped",
        trace: put("0x3000", "0x0") + xlate("0x1000", "0x7000", 3) + put("0x1000", "0x0").repeat(2),
        operations: 3,
      },
      {
        name: "a window that was there before the trace",
        kind: "unmap-unmapped",
        trace: `spapr_iommu_xlate liobn=0x80000001 0x30000 -> 0x50000 perm=3 mask=0xffff\n${highPut(3, "0x0").repeat(2)}`,
        operations: 4,
      },
      { name: "fault", kind: "dma-fault", trace: NEW_TABLE + xlate("0x1234", "0x0", 0), operations: 1 },
      {
        name: "DMA after unmap",
        kind: "dma-after-unmap",
        trace:
          NEW_TABLE + put("0x1000", "0x2003") + put("0x1000", "0x0") + xlate("0x1000", "0x0", 0).repeat(3),
        operations: 3,
      },
      {
        name: "wrong translation",
        kind: "mismatch",
        trace: NEW_TABLE + cycle("0x1000") + put("0x1000", "0x2003") + xlate("0x1000", "0x5000", 3),
        operations: 2,
      },
      {
        name: "wrong answer",
        kind: "mismatch",
        trace: NEW_TABLE + put("0x1000", "0x2003") + get,
        operations: 2,
      },
      {
        name: "refused",
        kind: "refused-call",
        trace: NEW_TABLE + put("0x40000000", "0x2003", -4).repeat(3),
        operations: 1,
      },
      {
        name: "left at removal",
        kind: "leak",
        trace: `${NEW_TABLE}${create(HIGH)}${highPut(1, "0x70003")}${highPut(3, "0x50003")}spapr_iommu_ddw_remove liobn=0x80000001\n`,
        operations: 3,
      },
      {
        name: "beyond RAM",
        kind: "beyond-ram",
        trace: NEW_TABLE + put("0x1000", "0xf003") + put("0x2000", "0x10010003"),
        operations: 1,
        options: { ram: 0x1000_0000n },
      },
      { name: "overlap", kind: "window-overlap", trace: NEW_TABLE + create("0x20000000"), operations: 1 },
      {
        name: "hole that another window shows",
        kind: "direct-map-hole",
        trace:
          NEW_TABLE + create(HIGH) + highPut(0, "0x3") + highPut(1, "0x10003") + put("0x1000", "0x52003"),
        operations: 3,
      },
      {
        name: "hole in RAM",
        kind: "direct-map-hole",
        trace:
          NEW_TABLE + create(HIGH, "0x80000001", "0x40000000") + highPut(0, "0x3") + highPut(1, "0x10003"),
        operations: 2,
        options: { ram: 0x1000_0000n },
      },
      {
        name: "full",
        kind: "window-full",
        trace: full,
        operations: 3,
        options: { freePages: 2, fullAt: 0.9 },
      },
      { name: "fragmented", kind: "window-full", trace: fragmented, operations: 9 },
    ],
  )("shows the finding by itself: $name", ({ kind, trace, operations, options = {} }) => {
    const { finding, lines } = shrunk(trace, kind, options);
    expect(lines).toHaveLength(operations + 1);
    // RAM is what the script says.
    const { ram: _ram, ...thresholds } = { ...DEFAULT_CHECK_OPTIONS, ...options };
    const { findings } = checkOpScript(lines.join("\n"), "shrunk.jsonl", thresholds);
    const { liobn, ioba } = finding;
    expect(findings.map((one) => ({ kind: one.kind, liobn: one.liobn, ioba: one.ioba }))).toContainEqual({
      kind,
      liobn,
      ioba,
    });
  });

  it("of a leak by its age has the mapping that stays", () => {
    const trace =
      NEW_TABLE + cycle("0x1000").repeat(1100) + put("0x9000", "0x7001") + cycle("0x1000").repeat(1100);
    const { lines } = shrunk(trace, "leak");
    expect(lines.slice(1).map((line) => JSON.parse(line))).toEqual([
      { op: "h_put_tce", liobn: "0x80000000", ioba: "0x9000", tce: "0x7001", result: { ret: 0 } },
    ]);
  });
});

describe("what no script can show", () => {
  it.each([
    {
      name: "truncated",
      trace: `${NEW_TABLE}spapr_iommu_pci_put liobn=0x8`,
      why: "is nothing that a guest does",
    },
    {
      name: "dma-fault",
      trace: `${NEW_TABLE}spapr_iommu_xlate liobn=0x80000000 0x40000000 -> 0x0 perm=0 mask=0xffffffff\n`,
      why: "a DMA at this address does not reach the window",
    },
    {
      name: "dma-fault",
      trace: `${vioTable}spapr_iommu_xlate liobn=0x71000003 0x3000 -> 0x0 perm=0 mask=0xfff\n`,
      why: "no operation of a script is a DMA of a VIO device",
    },
    {
      name: "inferred-contradicted",
      trace: `${NEW_TABLE}spapr_iommu_pci_indirect liobn=0x80000000 ioba=0x1000 tcelist=0x9000 iobaN=0x3 tceN=0x203003 ret=0\nspapr_iommu_xlate liobn=0x80000000 0x2000 -> 0xbeef000 perm=3 mask=0xfff\n`,
      why: "it is about what a trace does not print",
    },
  ])("is said with the reason: $why", ({ name, trace, why }) => {
    expect(() => shrunk(trace, name)).toThrow(why);
    expect(() => shrunk(trace, name)).toThrow(
      `a finding of the kind ${name} cannot be shown by an op script: `,
    );
  });

  it("is what Linux recorded", () => {
    const { findings, windows } = checkTrace(readCorpus("traces", "dma-ppc64le-linux72-planted.txt"));
    expect(findings.length).toBeGreaterThan(10);
    for (const finding of findings) {
      expect(() => targetOf(finding, windows)).toThrow("it is of Linux' dma events");
    }
  });
});
