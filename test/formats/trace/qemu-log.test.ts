import { describe, expect, it } from "vitest";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { SCHEMAS } from "../../../src/formats/trace/trace-schema.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { smallCorpusNames } from "../../helpers/corpus.ts";
import { readLog } from "./recorded-logs.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Every event of a text, written out again. */
function linesRead(text: string): { lines: string[]; reader: QemuLogReader } {
  const lines: string[] = [];
  const reader = new QemuLogReader((event) => lines.push(formatQemuTraceEvent(event)));
  reader.push(bytesOf(text));
  reader.end();
  return { lines, reader };
}

describe("QEMU's log of trace events", () => {
  const LINE = "spapr_iommu_pci_stuff liobn=0x80000000 ioba=0x200000 tcevalue=0x0 npages=512 ret=0";

  it("tells of an event in the push that ends its line", () => {
    let events = 0;
    const reader = new QemuLogReader(() => events++);
    for (let i = 1; i <= 3; i++) {
      reader.push(bytesOf(LINE));
      reader.push(bytesOf(`\n${LINE}\n`));
      expect(events).toBe(i * 2);
    }
  });

  // Mailers break lines at blanks, terminals anywhere.
  it("takes the next line for the rest of one that begins as an event, and not of any other", () => {
    for (let cut = 1; cut < LINE.length; cut++) {
      const { lines, reader } = linesRead(`${LINE.slice(0, cut)}\n${LINE.slice(cut)}\n${LINE}\n`);
      const begins = cut >= "spapr_iommu_".length;
      expect(lines, LINE.slice(0, cut)).toEqual(begins ? [LINE, LINE] : [LINE]);
      expect(reader.line).toBe(3);
    }
  });

  it("reads short lines behind one that is too long to be kept", () => {
    for (const length of [65_535, 65_536, 65_537, 200_000]) {
      for (const end of ["", `${LINE}\n`]) {
        const { lines, reader } = linesRead(`${"x".repeat(length)}\na\n\n${end}`);
        expect(lines).toEqual(end === "" ? [] : [LINE]);
        const long = length >= 65_536 ? 1 : 0;
        expect([reader.counts.long, reader.counts.text]).toEqual([long, 3 - long]);
      }
    }
  });

  it.each(smallCorpusNames("traces", ".log.gz"))(
    "%s has the sidecar's facts, and its lines come back",
    readLog,
  );

  it.each([
    "spapr_iommu_put liobn=0xffffffffffffffff ioba=0xffffffffffffffff tce=0xffffffffffffffff ret=-9223372036854775808",
    "spapr_iommu_pci_put liobn=0x0 ioba=0x100000000 tce=0x80000000 ret=9223372036854775807",
    "spapr_iommu_pci_get liobn=0x80000000 ioba=0x0 ret=-4 tce=0x0",
    "spapr_iommu_get liobn=0x80000000 ioba=0x0 ret=-4294967296 tce=0x0",
    "spapr_iommu_stuff liobn=0x1 ioba=0x1000 tcevalue=0x0 npages=-1 ret=-4294967297",
    "spapr_iommu_indirect liobn=0x1 ioba=0x1000 tcelist=0x2000 iobaN=0x1ff tceN=0x3 ret=1000000000",
    "spapr_iommu_xlate liobn=0x80000000 0x0 -> 0x0 perm=0 mask=0xffffffff",
    "spapr_iommu_xlate liobn=0x80000000 0x0 -> 0x0 perm=4294967295 mask=0x0",
    "spapr_iommu_new_table liobn=0x80000000 table=(nil) fd=2147483647",
    "spapr_iommu_new_table liobn=0x80000000 table=0xffffffffffffffff fd=-2147483648",
    "spapr_iommu_pre_save liobn=80000000 40000 bus_offset=0x0 ps=12",
    "spapr_iommu_post_load liobn=80000001 0 => 0x40 bus_offset=0x800000000000000 ps=24",
    "spapr_iommu_ddw_query buid=0x800000020000000 addr=0x0, 1 windows available, max window size=0x80000000, mask=0x107",
    "spapr_iommu_ddw_create buid=0x800000020000000 addr=0x800, page size=0x10000, requested=0x800000000000, start addr=0x800000000000000, liobn=0x80000001",
    "spapr_iommu_ddw_remove liobn=0x80000001",
    "spapr_iommu_ddw_reset buid=0x800000020000000 addr=0xffffffff",
    "1@0.000000:spapr_iommu_ddw_remove liobn=0x80000001",
    "12757@1795358181.077869:spapr_iommu_ddw_remove liobn=0x80000001",
    "999999999999999@999999999999999.999999:spapr_iommu_ddw_remove liobn=0x0",
  ])("reads %s and writes it again", (line) => {
    expect(linesRead(`${line}\n`).lines).toEqual([line]);
    expect(linesRead(`${line}\r\n`).lines).toEqual([line]);
  });

  it("names every event once", () => {
    expect(new Set(SCHEMAS.map(({ name }) => name)).size).toBe(16);
  });

  it.each([" ", "\r", "\r\r", " \r", "\t\u001b[0m "])("passes over %j at the end of a line", (end) => {
    const good = "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=0";
    expect(linesRead(`${good}${end}\n${good}\n`).lines).toEqual([good, good]);
  });

  it.each([
    { name: "a number of 65 bits", line: "spapr_iommu_ddw_remove liobn=0x10000000000000000" },
    { name: "33 bits where 32 belong", line: "spapr_iommu_ddw_remove liobn=0x100000000" },
    { name: "33 bits of a count", line: "spapr_iommu_xlate liobn=0x0 0x0 -> 0x0 perm=4294967296 mask=0x0" },
    { name: "2^63", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=9223372036854775808" },
    { name: "-2^63 - 1", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=-9223372036854775809" },
    { name: "2^31 in an int", line: "spapr_iommu_new_table liobn=0x0 table=(nil) fd=2147483648" },
    { name: "-2^31 - 1 in an int", line: "spapr_iommu_new_table liobn=0x0 table=(nil) fd=-2147483649" },
    { name: "2^64", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=18446744073709551616" },
    { name: "no digit", line: "spapr_iommu_put liobn=0x0 ioba=0x tce=0x0 ret=0" },
    { name: "only a sign", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=-" },
    { name: "-0", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=-0" },
    { name: "a pointer cut short", line: "spapr_iommu_new_table liobn=0x0 table=(ni" },
    { name: "an end cut off", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x" },
    { name: "a tail", line: "spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=0 x" },
    { name: "an unknown event", line: "spapr_iommu_pci_xlate liobn=0x0" },
    { name: "nothing but the prefix", line: "spapr_iommu_" },
    {
      name: "an event inside of another",
      line: "spapr_iommu_put liobn=0x80spapr_iommu_put liobn=0x0 ioba=0x0 tce=0x0 ret=0",
    },
  ])("counts a line with $name as damaged and goes on", ({ line }) => {
    const good = "spapr_iommu_ddw_remove liobn=0x1";
    const { lines, reader } = linesRead(`${good}\n${line}\n${good}\n`);
    expect(lines).toEqual([good, good]);
    expect(reader.counts).toEqual({
      events: 2,
      hostEvents: 0,
      otherEvents: 0,
      text: 0,
      damaged: 1,
      long: 0,
      torn: 0,
      twins: 0,
      mixed: 0,
    });
    expect(reader.damagedLines).toEqual([{ line: 2, text: line }]);
  });

  it.each([
    "Invalid read",
    "12@34.5",
    "#1 SMP Debian 6.",
    "> > ",
    "\u001b[31m",
    "[   12.345678] ",
    "Nov 27 22:13:24 kvmhost qemu-system-ppc64[4711]: ",
    "2026-11-27T22:13:24+0100 kvmhost qemu-system-ppc64[4711]: ",
    "2026-11-27 22:34:14.768+0000: ",
  ])("reads an event behind '%s'", (before) => {
    const plain = "spapr_iommu_pci_put liobn=0x0 ioba=0x0 tce=0x0 ret=0";
    expect(linesRead(`${before}${plain}\n`).lines.at(0)).toContain(plain);
    const timed = `7@1.000002:${plain}`;
    if (!before.endsWith(".5") && !before.endsWith("6."))
      expect(linesRead(`${before}${timed}\r\n`).lines).toEqual([timed]);
  });

  it("takes thread and time from what other backends put before an event", () => {
    const event = "spapr_iommu_ddw_remove liobn=0x1";
    const told = [
      "4711@1795820252848947123 ",
      " qemu-system-ppc-4711    [001] .....   100.000017: tracing_mark_write: ",
      " qemu-system-ppc-4711  [001]   100.000017005: print:                tracing_mark_write: ",
    ];
    const origins: number[][] = [];
    const reader = new QemuLogReader(({ thread, seconds, nanoseconds }) =>
      origins.push([thread, seconds, nanoseconds]),
    );
    reader.push(bytesOf(told.map((before) => `${before}${event}\n`).join("")));
    expect(origins).toEqual([
      [4711, 1795820252, 848947123],
      [4711, 100, 17000],
      [4711, 100, 17005],
    ]);
  });

  it("takes the time of QEMU 11 from the start of the line", () => {
    const seconds: number[] = [];
    const reader = new QemuLogReader((event) => seconds.push(event.seconds, event.nanoseconds));
    const event = "spapr_iommu_ddw_remove liobn=0x1";
    reader.push(
      new TextEncoder().encode(
        `2026-11-27T22:49:58.461909Z ${event}\n2026-11-27T23:49:58+01:00 ${event}\n${event}\n`,
      ),
    );
    expect(seconds).toEqual([1795819798, 461909000, 1795819798, 0, Number.NaN, 0]);
  });

  it("tells other events and text from damage, and leaves a last line without end out", () => {
    const { lines, reader } = linesRead(
      [
        "spapr_drc_reset drc: 0x10000000",
        "1@2.000003:pci_nvme_irq_pin pulsing IRQ pin",
        "vfio_dma_unmap_overflow_workaround ",
        'monitor_qmp_cmd_in_band {"event": "spapr_iommu_put"}',
        "Trying to write invalid spr 276 (0x114) at c0000000",
        "",
        "1@2.34:spapr_drc_reset drc: 0x1",
        "_underscore first",
        "spapr_iommu_ddw_remove liobn=0x1",
      ].join("\n"),
    );
    expect(lines).toEqual([]);
    expect(reader.counts).toEqual({
      events: 0,
      hostEvents: 0,
      otherEvents: 4,
      text: 4,
      damaged: 0,
      long: 0,
      torn: 1,
      twins: 0,
      mixed: 0,
    });
  });

  it("keeps a bounded number of damaged lines, and skips endless ones", () => {
    const reader = new QemuLogReader(() => {});
    for (let i = 0; i < 100; i++) reader.push(bytesOf(`spapr_iommu_put ${"x".repeat(1000)}\u00e9\n`));
    for (let i = 0; i < 100; i++) reader.push(bytesOf("spapr_iommu_put ".repeat(1000)));
    reader.push(bytesOf(`\n${"spapr_iommu_put ".repeat(10_000)}\nspapr_iommu_ddw_remove liobn=0x1\n`));
    reader.end();
    expect(reader.counts).toEqual({
      events: 1,
      hostEvents: 0,
      otherEvents: 0,
      text: 0,
      damaged: 100,
      long: 2,
      torn: 0,
      twins: 0,
      mixed: 0,
    });
    expect(reader.damagedLines.length).toBe(10);
    expect(reader.damagedLines[9]!.text.length).toBe(200);
    expect(reader.line).toBe(103);
  });
});
