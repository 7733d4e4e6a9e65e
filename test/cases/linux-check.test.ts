import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { CheckOptions } from "../../src/check/check-options.ts";
import { checkTrace } from "../../src/check/whole/check-trace.ts";

const readCase = (name: string): Uint8Array => readFileSync(path.join(import.meta.dirname, name));

/** What a finding of a case must be. */
interface Expected {
  readonly kind: string;
  readonly device?: string;
  readonly count?: number;
  readonly task?: string;
  readonly message?: RegExp;
  /** Its first and last line. */
  readonly lines?: readonly [number, number];
}

interface Case {
  readonly name: string;
  readonly options?: Partial<CheckOptions>;
  readonly log?: string;
  readonly findings: readonly Expected[];
}

const CASES: readonly Case[] = [
  {
    name: "02-perf-failed-to-parse.txt",
    findings: [
      { kind: "leak", device: "ff170000.mmc", count: 1, message: /^a list of 4096 bytes FROM_DEVICE/ },
    ],
  },
  {
    name: "03-ring-writeback-fault.txt",
    findings: [
      {
        kind: "io-fault",
        count: 10,
        lines: [13, 90],
        message:
          /writes byte 0x8c of an allocation of 4096 bytes at 0xfec3a000.* after its unmap by event 66 \(line 79\) of kworker\/3:1-88; 10 faults .*, 16 bytes apart.*descriptors of a ring/,
      },
    ],
  },
  {
    name: "03-faults.dmesg",
    findings: [
      { kind: "io-fault", device: "0000:0a:00.0", count: 10, message: /nothing here tells.*16 bytes apart/ },
    ],
  },
  {
    name: "04-read-of-write-only.txt",
    findings: [
      {
        kind: "io-fault",
        count: 1,
        message: /reads byte 0x0 .*FROM_DEVICE does not allow the device to read/,
      },
    ],
  },
  {
    name: "06-pending-32-coherent.txt",
    findings: [
      {
        kind: "leak",
        count: 32,
        task: "kworker/0:2-77",
        message: /an allocation of 4096 bytes.*kernel counts 32/,
      },
    ],
  },
  {
    name: "07-pending-1-config-buffer.txt",
    findings: [
      { kind: "leak", count: 1, task: "modprobe-700", message: /an allocation of 65536 bytes.*counts 1/ },
    ],
  },
  // Both end behind the probe, long before the driver goes: nothing is lost yet.
  { name: "07-tp-printk.dmesg", findings: [] },
  { name: "07-dump-on-oops.dmesg", findings: [] },
  {
    name: "09-one-cache-line.txt",
    options: { cacheLine: 64 },
    findings: [
      { kind: "cache-line-shared", count: 20, message: /^48 bytes mapped .* and 1448 bytes mapped/ },
    ],
  },
  {
    name: "09-one-cache-line.txt",
    log: "09-eexist.dmesg",
    findings: [
      { kind: "cache-line-shared", device: "dpni.2", message: /EEXIST.*48 bytes .* and 1448 bytes/ },
    ],
  },
  {
    name: "09-eexist.dmesg",
    findings: [{ kind: "cache-line-shared", message: /the kernel says "cacheline/ }],
  },
  { name: "10-swiotlb-only.txt", findings: [] },
  {
    name: "11-swiotlb-and-dma.txt",
    findings: [
      { kind: "leak", count: 1, lines: [243, 243], message: /a single map of 512 bytes FROM_DEVICE/ },
    ],
  },
  {
    name: "12-iommu-alloc-failed.dmesg",
    findings: [
      { kind: "map-failed", count: 30, message: /no run of 16 free IOMMU pages/ },
      { kind: "map-failed", device: "0001:00:02.0", count: 30, message: /no run of 22 free IOMMU pages/ },
    ],
  },
  {
    name: "17-rx-never-unmapped.txt",
    findings: [
      {
        kind: "map-failed",
        count: 8,
        message: /has 500 live mappings of 4550000 bytes, 500 of them single maps/,
      },
      {
        kind: "never-unmapped",
        count: 500,
        task: "irq/18-rtl-233",
        message:
          /^mappings FROM_DEVICE are never unmapped: 500 .*50.1 mappings .* in a second.*4 GiB are full/,
      },
    ],
  },
  {
    name: "18-swiotlb-full.dmesg",
    findings: [
      { kind: "map-failed", device: "0000:01:00.0", count: 20, message: /1188 are free, but not 2 in a row/ },
      { kind: "map-failed", device: "0000:06:03.0", count: 6, message: /no bounce memory for 9100 bytes/ },
    ],
  },
  {
    name: "22-iommu-events-only.txt",
    findings: [
      { kind: "io-fault", count: 1, message: /a range of 2097152 bytes at 0x1200000.* 1 s after its unmap/ },
      ...[14, 15, 16, 17, 59].map((line) => ({ kind: "leak", lines: [line, line] as const })),
    ],
  },
  {
    name: "29-wide-iova.txt",
    options: { dmaMask: 58 },
    findings: [{ kind: "beyond-mask", device: "0000:41:00.0", count: 5 }],
  },
  {
    name: "31-double-free-eeh.txt",
    findings: [
      {
        kind: "io-fault",
        device: "0003:01:00.0",
        lines: [315, 316],
        message: /PE#fb of PHB#3.*double-unmap/,
      },
      { kind: "double-unmap", count: 1 },
    ],
  },
  {
    name: "32-ddw.dmesg",
    findings: [
      {
        kind: "refused-call",
        device: "0001:00:03.0",
        message: /2\^0 bytes .*the window is smaller than a page \(QEMU-CREATE-1\)/,
      },
    ],
  },
  {
    name: "default-1g-nvme-e1000-linux72.log.gz",
    findings: [{ kind: "never-unmapped", message: /2,152 pages .* none of them was unmapped/ }],
  },
  {
    name: "12-fragmented.log",
    findings: [{ kind: "fragmented", message: /128 pages of 256 .* 1 page in one/ }],
  },
  {
    name: "12-fragmented.jsonl",
    findings: [{ kind: "fragmented", message: /128 pages of 256 .* 1 page in one/ }],
  },
  { name: "dma-4200-maps-of-16-mib.txt.gz", findings: [] },
];

describe("what people reported of Linux machines", () => {
  it.each(CASES)("$name $options $log", async ({ name, options = {}, log, findings }) => {
    const kernelLog = log === undefined ? undefined : readCase(log);
    const report = await checkTrace(readCase(name), { ...options, name, kernelLog });
    expect(report.findings.map(({ kind }) => kind)).toEqual(findings.map(({ kind }) => kind));
    findings.forEach(({ message, lines, ...expected }, i) => {
      const found = report.findings[i]!;
      expect(found).toMatchObject(expected);
      if (message !== undefined) expect(found.message).toMatch(message);
      if (lines !== undefined) expect([found.lines[0], Math.max(...found.lines)]).toEqual(lines);
    });
  });

  it("10-swiotlb-only.txt: what bounced is counted by device", async () => {
    const { bounced, judged } = await checkTrace(readCase("10-swiotlb-only.txt"));
    expect(judged.kernelLines).toBe(120);
    expect(bounced.map(({ device, count, bytes }) => [device, count, bytes])).toEqual([
      ["e1180400.sdh", 40, 160],
      ["e1181000.sdh", 40, 163_840],
      ["b0410000.vi", 40, 41_943_040],
    ]);
  });

  it("11-swiotlb-and-dma.txt: each bounce is joined with its map", async () => {
    const { bounced } = await checkTrace(readCase("11-swiotlb-and-dma.txt"));
    expect(bounced).toMatchObject([
      { device: "0000:00:06.0", direction: "FROM_DEVICE", count: 100, forced: 100 },
    ]);
  });

  it("22-iommu-events-only.txt: ranges are counted", async () => {
    const { judged } = await checkTrace(readCase("22-iommu-events-only.txt"));
    expect(judged).toMatchObject({ ranges: 64, rangesAlive: 5, kernelLines: 125 });
  });

  it("03: faults of a log of its own are put between the events by their times", async () => {
    const text = new TextDecoder().decode(readCase("03-ring-writeback-fault.txt"));
    const events = text.split("\n").filter((line) => !line.includes("IO_PAGE_FAULT"));
    const kernelLog = readCase("03-faults.dmesg");
    const apart = await checkTrace(events.join("\n"), { kernelLog });
    expect(apart.findings).toMatchObject([
      { kind: "io-fault", count: 10, message: expect.stringMatching(/60 ms after its unmap by event 66/) },
    ]);
    expect(apart.findings[0]!.logLines).toHaveLength(10);
    const both = await checkTrace(text, { kernelLog });
    expect(both.findings).toMatchObject([{ kind: "io-fault", count: 10 }]);
  });
});
