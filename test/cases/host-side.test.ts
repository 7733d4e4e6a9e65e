import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type HostEvent, readHostLine } from "../../src/formats/trace/host-event.ts";
import { QemuLogReader } from "../../src/formats/trace/qemu-log.ts";
import { traceReader } from "../../src/formats/trace/trace-formats.ts";
import { checkTrace } from "../check/checked.ts";
import { SimpleFile } from "../formats/trace/simple-file.ts";

const check = (name: string) => checkTrace(readFileSync(path.join(import.meta.dirname, name)));
const HIGH = 1n << 59n;
const CREATE =
  "spapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=0x100000, start addr=0x800000000000000, liobn=0x80000001\n";
const hostWindow = (shift: number, bytes: number): string =>
  `vfio_spapr_create_window pageshift=0x${shift.toString(16)} levels=1 winsize=0x${bytes.toString(16)} offset=0x800000000000000\n`;

describe("the host's side", () => {
  it("of a PC: the map that failed is the finding", () => {
    const { findings, judged } = check("21-vfio-listener.log");
    expect(judged).toMatchObject({ events: 0, hostEvents: 7 });
    expect(findings).toMatchObject([
      {
        kind: "map-failed",
        severity: "error",
        ioba: 0x1_0000_0000n,
        pages: 0x38_0000,
        lines: [8, 9],
        count: 1,
        message: expect.stringContaining("14 GiB at 0x100000000: Cannot allocate memory"),
      },
    ]);
  });

  it("of a pSeries machine: windows that are made and removed are seen", () => {
    const { findings, hostWindows, judged } = check("21-spapr-and-vfio.log");
    expect(findings).toEqual([]);
    expect(judged).toMatchObject({ events: 22, hostEvents: 4 });
    expect(hostWindows).toMatchObject([
      {
        busOffset: HIGH,
        bytes: 2n ** 38n,
        pageShift: 16,
        levels: 2,
        createdAt: { line: 5 },
        removedAt: undefined,
      },
      { busOffset: 0n, bytes: undefined, createdAt: undefined, removedAt: { line: 26 } },
    ]);
  });

  it.each([
    { name: "as the guest's", host: hostWindow(16, 0x10_0000), found: [] },
    { name: "with smaller pages", host: hostWindow(12, 0x10_0000), found: [] },
    {
      name: "with larger pages",
      host: hostWindow(24, 0x10_0000),
      found: ["has pages of 16 MiB, the guest's of 64 KiB"],
    },
    { name: "of another size", host: hostWindow(16, 0x8_0000), found: ["has 512 KiB, the guest's 1 MiB"] },
    {
      name: "that was removed again",
      host: `${hostWindow(16, 0x8_0000)}vfio_spapr_remove_window offset=0x800000000000000\n`,
      found: [],
    },
  ])("a window $name", ({ host, found }) => {
    const { findings } = checkTrace(CREATE + host);
    expect(findings.map(({ kind }) => kind)).toEqual(found.map(() => "mismatch"));
    for (const [i, text] of found.entries()) expect(findings[i]!.message).toContain(text);
  });

  describe("is compared page by page with the guest's", () => {
    const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1 fd=-1\n";
    const ADD = "vfio_listener_region_add_iommu region_add [iommu] 0x0 - 0x3fffffff\n";
    const hex = (page: number, more = 0): string => `0x${(page * 0x1000 + more).toString(16)}`;
    const tell = (op: string, page: number): string =>
      `vfio_iommu_map_notify iommu ${op} @ ${hex(page)} - ${hex(page, 0xfff)}\n`;
    const put = (page: number, tce = "0x5003"): string =>
      `spapr_iommu_pci_put liobn=0x80000000 ioba=${hex(page)} tce=${tce} ret=0\n`;
    const map = (page: number): string => tell("MAP", page) + put(page);
    const unmap = (page: number): string => tell("UNMAP", page) + put(page, "0x0");
    const found = (text: string) =>
      checkTrace(text).findings.map(({ kind, ioba, pages, lines }) => [kind, ioba, pages, lines]);

    it.each([
      { name: "told of all", text: NEW + ADD + map(1) + map(2) + unmap(1), expected: [] },
      {
        name: "not told of two maps",
        text: NEW + ADD + map(1) + put(2) + put(3),
        expected: [["mismatch", 0x2000n, 2, [5, 6]]],
      },
      {
        name: "not told of an unmap",
        text: NEW + ADD + map(1) + map(2) + put(2, "0x0"),
        expected: [["mismatch", 0x2000n, 1, [7]]],
      },
      { name: "not followed", text: NEW + map(1) + put(2), expected: [] },
      { name: "of which the log has no events", text: NEW + ADD + put(1) + put(2), expected: [] },
      {
        name: "not followed any more",
        text: `${NEW}${ADD}${map(1)}vfio_listener_region_del region_del 0x0 - 0x3fffffff\n${put(2)}`,
        expected: [],
      },
      {
        name: "not told behind missing events",
        text: `${NEW}${ADD}${map(1)}spapr_iommu_pci_put liobn=0x80000000 ioba=0xZZ\n${put(2)}`,
        expected: [["truncated", undefined, 0, [5]]],
      },
    ])("$name", ({ text, expected }) => {
      expect(found(text)).toEqual(expected);
    });

    it("of a window of 2^47 bytes, too", () => {
      const high = (op: string): string =>
        `vfio_iommu_map_notify iommu ${op} @ 0x800000000000000 - 0x80000000000ffff\n`;
      const text = `${CREATE.replace("requested=0x100000,", "requested=0x800000000000,")}vfio_listener_region_add_iommu region_add [iommu] 0x800000000000000 - 0x8007fffffffffff\n`;
      const call = (tce: string): string =>
        `spapr_iommu_pci_put liobn=0x80000001 ioba=0x800000000000000 tce=${tce} ret=0\n`;
      expect(found(text + high("MAP") + call("0x50003") + high("UNMAP") + call("0x0"))).toEqual([]);
      expect(found(text + high("MAP") + call("0x50003") + call("0x0"))).toEqual([["mismatch", HIGH, 1, [5]]]);
    });
  });

  it.each([true, false])("is read of QEMU's binary format (little-endian: %s)", (little) => {
    const file = new SimpleFile(4, little)
      .mapping(900, "vfio_spapr_create_window")
      .mapping(901, "vfio_iommu_map_notify")
      .mapping(902, "vfio_prereg_register")
      .mapping(903, "vfio_listener_region_add_iommu")
      .record(900, [16n, 2n, 2n ** 38n, HIGH])
      .record(901, ["MAP", HIGH, HIGH + 0xffffn])
      .record(902, [0x7ffe_4000_0000n, 0x4000_0000n, -12n])
      .record(903, [HIGH, HIGH + 2n ** 38n - 1n])
      .record(903, ["tce-iommu-80000001", HIGH, HIGH + 2n ** 38n - 1n])
      .record(901, [HIGH]);
    const events: HostEvent[] = [];
    const { counts, push, end } = traceReader("qemu-simple", {
      qemu: () => {},
      linux: () => {},
      gap: () => {},
      host: (event) => events.push(event),
    });
    push(Uint8Array.from(file.bytes));
    end();
    expect(events).toMatchObject([
      { kind: "create-window", start: HIGH, bytes: 2n ** 38n, pageShift: 16, levels: 2, event: 0 },
      { kind: "map", start: HIGH, bytes: 0x1_0000n },
      { kind: "register", errno: 12 },
      { kind: "add-iommu", start: HIGH, region: undefined },
      { kind: "add-iommu", region: "tce-iommu-80000001" },
    ]);
    // A record that has other arguments than the event is not read as one.
    expect(counts).toMatchObject({ hostEvents: 5, otherEvents: 1 });
    expect(checkTrace(Uint8Array.from(file.bytes)).findings).toMatchObject([{ kind: "map-failed" }]);
  });

  it("says a failure that comes again once, with its count", () => {
    const line =
      "qemu: vfio_dma_map(0x55d0c1f2f000, 0x1000, 0x1000, 0x7fa182400000) = -28 (No space left on device)\n";
    expect(checkTrace(line.repeat(5)).findings).toMatchObject([{ kind: "map-failed", count: 5, pages: 1 }]);
  });

  it.each([
    {
      line: "vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff",
      event: { kind: "map", start: 0x1000n, bytes: 0x1000n },
    },
    {
      line: "12@3.000004:vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0xffff",
      event: { kind: "unmap", bytes: 0x1_0000n },
    },
    {
      line: "2026-11-27T22:49:58.461909Z vfio_listener_region_add_iommu region_add [iommu] tce-iommu-80000000 0x0 - 0x3fffffff",
      event: { kind: "add-iommu", region: "tce-iommu-80000000", bytes: 0x4000_0000n },
    },
    {
      line: "vfio_prereg_register va=0x7ffe40000000 size=0x40000000 ret=-12",
      event: { kind: "register", errno: 12 },
    },
    {
      line: "qemu: vfio_container_dma_map(0x55, 0x1000, 0x2000, 0x7f) = -22 (Invalid argument)",
      event: { kind: "failed", call: "map", errno: 22, why: "Invalid argument" },
    },
    {
      line: "qemu: vfio_dma_unmap(0x55, 0x1000, 0x2000) = -22 (Invalid argument)",
      event: { kind: "failed", call: "unmap", start: 0x1000n },
    },
    {
      line: "qemu: Failed to create a window, ret = -1 (Cannot allocate memory)",
      event: { kind: "failed", call: "create a window", why: "Cannot allocate memory" },
    },
    {
      line: "qemu: Container 0x55 can't map guest IOVA region 0x800000000000000..0x8000000000fffff",
      event: { kind: "failed", start: HIGH, bytes: 0x10_0000n },
    },
  ])("reads $line", ({ line, event }) => {
    expect(readHostLine(line)).toMatchObject(event);
  });

  it.each([
    "vfio_get_device Device 0000:00:02.0 flags: 3, regions: 12, irqs: 5",
    "vfio_spapr_remove_window offset=",
    "vfio is nice",
    "a DMA window",
    "qemu: could not create file",
    "spapr_drc_reset drc: 0x1",
  ])("reads nothing in: %s", (line) => {
    expect(readHostLine(line)).toBeUndefined();
    const events: HostEvent[] = [];
    const reader = new QemuLogReader(
      () => {},
      (event) => events.push(event),
    );
    reader.push(new TextEncoder().encode(`${line}\n`));
    reader.end();
    expect(events).toEqual([]);
  });
});
