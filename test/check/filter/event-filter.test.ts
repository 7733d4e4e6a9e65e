import { describe, expect, it } from "vitest";
import { compileFilter } from "../../../src/check/filter/event-filter.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { DDW_CREATE, QemuTraceEvent } from "../../../src/formats/trace/trace-event.ts";

describe("a filter of QEMU's events", () => {
  const event = new QemuTraceEvent();
  event.pci = true;
  event.words.set([0, 0x8000_0000, 0x0800_0000, 0x1000], 0);

  it.each([
    { filter: "pci_put", takes: true },
    { filter: "put", takes: false },
    { filter: "pci_*", takes: true },
    { filter: "spapr_iommu_pci_put, xlate", takes: true },
    { filter: "pci_put: liobn == 0x80000000 && ioba >= 0x800000000000000", takes: true },
    { filter: "pci_put: ioba < 0x800000000001000", takes: false },
    { filter: "pci_put: ioba <= 0x800000000001000", takes: true },
    { filter: "pci_put: ioba > 4096 && ret == 0", takes: true },
    { filter: "pci_put: !(ret != 0) && (liobn == 1 || liobn & 0x80000000)", takes: true },
    { filter: "pci_put: ret", takes: false },
    { filter: "pci_put: ret == -4", takes: false },
    { filter: "*: liobn == 0x80000000", takes: true },
  ])("$filter", ({ filter, takes }) => {
    expect(compileFilter(filter).trace!(event, undefined)).toBe(takes);
  });

  it("compares a status with its sign", () => {
    const statuses: Record<string, number> = {};
    for (const filter of ["pci_put: ret < 0", "pci_put: ret >= -4", "pci_put: ret == -4", "pci_put: ret"]) {
      const { trace } = compileFilter(filter);
      statuses[filter] = 0;
      const reader = new QemuLogReader((one) => {
        if (trace!(one, undefined)) statuses[filter]!++;
      });
      for (const ret of [0, -4, -10]) {
        const line = `spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=${ret}\n`;
        reader.push(new TextEncoder().encode(line));
      }
    }
    expect(Object.values(statuses)).toEqual([2, 2, 1, 2]);
  });

  it("compares nothing with what an earlier event left in a field that the event does not have", () => {
    const other = new QemuTraceEvent();
    other.kind = DDW_CREATE;
    other.words.set(event.words);
    const { trace } = compileFilter("pci_put, ddw_create: ioba >= 0x1000 || !(ioba >= 0x1000)");
    expect([trace!(event, undefined), trace!(other, undefined)]).toEqual([true, true]);
    expect(compileFilter("pci_put, ddw_create: ioba >= 0x1000").trace!(other, undefined)).toBe(false);
  });
});

const DMA_LINES = [
  "insmod-93 [000] d..1. 5.000001: dma_map_page: 0000:00:01.0 dir=TO_DEVICE dma_addr=120000 size=1536 phys_addr=4d80000 attrs=",
  "insmod-93 [001] d..1. 5.000002: dma_unmap_page: 0000:00:01.0 dir=FROM_DEVICE dma_addr=120000 size=1536 attrs=SKIP_CPU_SYNC|NO_WARN",
  "kworker/0:1-7 [000] d..1. 5.000003: dma_map_sg: 0000:00:02.0 dir=FROM_DEVICE nents=2/2 ents=2/2 dma_addrs={0x1000,0x9000} sizes={0x1000,0x200} phys_addrs={0x5000,0x7000} attrs=",
  "kworker/0:1-7 [000] d..1. 5.000004: dma_sync_single_for_cpu: 0000:00:02.0 dir=FROM_DEVICE dma_addr=4000 size=64",
  "nvme-8 [000] d..1. 5.000005: dma_map_sg_err: 0000:00:02.0 dir=TO_DEVICE phys_addrs={0x5000} err=-5 attrs=",
];

/** Numbers of the lines that a filter takes. */
function taken(filter: string): number[] {
  const { dma } = compileFilter(filter);
  const found: number[] = [];
  const reader: DmaLogReader = new DmaLogReader((event) => {
    if (dma!(event, reader)) found.push(event.line);
  });
  reader.push(new TextEncoder().encode(`${DMA_LINES.join("\n")}\n`));
  reader.end();
  expect(reader.counts.events).toBe(DMA_LINES.length);
  return found;
}

describe("a filter of Linux' events", () => {
  it.each([
    { filter: "dma", lines: [1, 2, 3, 4, 5] },
    { filter: "dma_*", lines: [1, 2, 3, 4, 5] },
    { filter: "dma/dma_map_page", lines: [1] },
    { filter: "dma_map_page, dma_unmap_page", lines: [1, 2] },
    { filter: 'dma: device == "0000:00:02.0"', lines: [3, 4, 5] },
    { filter: "dma: device == 0000:00:02.0 && dir == FROM_DEVICE", lines: [3, 4] },
    { filter: "dma: dev != '0000:00:02.0'", lines: [1, 2] },
    { filter: 'dma: device ~ "*:01.?"', lines: [1, 2] },
    { filter: 'dma: device ~ "*:0[!1].0"', lines: [3, 4, 5] },
    { filter: 'dma: device ~ "*:0[2-9].0"', lines: [3, 4, 5] },
    { filter: 'dma: device ~ "00:01.0"', lines: [] },
    { filter: 'dma: device =~ "00:01.0$"', lines: [1, 2] },
    { filter: 'dma: comm !~ "^kworker"', lines: [1, 2, 5] },
    { filter: 'dma: comm == "kworker/0:1"', lines: [3, 4] },
    { filter: "dma: dir == DMA_TO_DEVICE", lines: [1, 5] },
    { filter: "dma: dir == 1", lines: [1, 5] },
    { filter: "dma: dma_addr >= 0x120000", lines: [1, 2] },
    { filter: "dma_unmap_page: addr == 0x120000", lines: [2] },
    { filter: "dma_map_page: phys_addr == 0x4d80000 && size > 1000", lines: [1] },
    { filter: "dma: size < 1000", lines: [4] },
    { filter: "dma: !(size < 1000)", lines: [1, 2, 3, 5] },
    { filter: "dma: attrs & SKIP_CPU_SYNC", lines: [2] },
    { filter: "dma: attrs", lines: [2] },
    { filter: "dma_map_sg: nents == 2 && ents == 2 && !truncated", lines: [3] },
    { filter: "dma_map_sg: dma_addrs == 0x9000", lines: [3] },
    { filter: "dma_map_sg: lengths == 0x200 && phys_addrs & 0x2000", lines: [3] },
    { filter: "dma_map_sg: dma_addrs == 0x9001", lines: [] },
    { filter: "dma: err == -5", lines: [5] },
    { filter: "dma: err < 0", lines: [5] },
    { filter: "dma: cpu == 1 || common_pid == 8", lines: [2, 5] },
    { filter: "*: dma_addr", lines: [1, 2, 4] },
  ])("$filter", ({ filter, lines }) => {
    expect(taken(filter)).toEqual(lines);
  });
});

describe("a filter that is none", () => {
  it.each([
    { filter: "pci_putt", message: 'column 1: no event is named "pci_putt"' },
    { filter: "pci_put, pci_gets", message: 'column 10: no event is named "pci_gets"' },
    { filter: "pci_put: ioba ==", message: 'column 17: expected a number, found "the end"' },
    {
      filter: "pci_put: foo == 1",
      message: 'column 10: no field "foo" in the events of this filter, which have liobn,',
    },
    { filter: "pci_put: npages == 1", message: 'column 10: no field "npages"' },
    { filter: "pci_put: (ret == 1", message: 'expected ")"' },
    { filter: "pci_put: ret == 1 ret", message: "expected && or ||" },
    { filter: "pci_put: ret == 0x10000000000000000", message: "is no number of 64 bits" },
    { filter: "pci_put: ret ~ 5", message: 'column 14: "~" does not compare numbers' },
    { filter: "pci_put: ret == 12abc", message: 'column 17: expected a number, found "12abc"' },
    { filter: "pci_put: ", message: 'expected a field of the event, found "the end"' },
    { filter: "dma: toString == 1", message: 'column 6: no field "toString"' },
    {
      filter: "dma: liobn == 1",
      message: 'column 6: no field "liobn" in the events of this filter, which have device,',
    },
    { filter: "dma_unmap_sg: dma_addr == 1", message: 'column 15: no field "dma_addr"' },
    { filter: "dma: device < 5", message: 'column 13: "<" does not compare texts' },
    {
      filter: 'dma: device =~ "(?=a)"',
      message: "column 16: error parsing regexp: invalid or unsupported",
    },
    { filter: 'dma: device =~ "("', message: "column 16: error parsing regexp: missing closing" },
    { filter: "dma: device ==", message: 'column 15: expected a text, found "the end"' },
    { filter: "dma: dir == SIDEWAYS", message: "column 13: expected a number, BIDIRECTIONAL, " },
    { filter: "*: nothing", message: 'column 4: no field "nothing"' },
  ])("says what is wrong: $filter", ({ filter, message }) => {
    expect(() => compileFilter(filter)).toThrow(message);
  });

  it("is not longer than filters are", () => {
    expect(() => compileFilter("x".repeat(4097))).toThrow("a filter of 4097 characters");
  });
});

// A matcher that goes back and tries again takes years for each of these.
it.each([
  '=~ "^(([a-z0-9:.])+.)+[A-Z]([a-z])+$"',
  '=~ "(a|a|[a-z0-9])*(b|b)*!$"',
  '~ "*0*0*0*0*0*0*0*0*0*0*!"',
])("is not held up by an expression: %s", (expression) => {
  const { dma } = compileFilter(`dma: device ${expression}`);
  let taken = 0;
  const reader: DmaLogReader = new DmaLogReader((event) => {
    if (dma!(event, reader)) taken++;
  });
  reader.push(new TextEncoder().encode(`${DMA_LINES[0]!.replace("0000:00:01.0", "0".repeat(200))}\n`));
  reader.end();
  expect(taken).toBe(0);
});
