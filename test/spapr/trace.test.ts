import { describe, expect, it } from "vitest";
import { IommuNotifier } from "../../src/memory/iommu-notifier.ts";
import { PciDevice } from "../../src/spapr/pci-device.ts";
import { formatTraceEvent, type TraceEvent } from "../../src/spapr/trace-events.ts";
import { Guest, HIGH, LIST_AT, WIN0, WIN1 } from "./guest.ts";

const VIO = 0x7100_0001n;
const TOP = 0xffff_ffff_8000_0000n;
const BUID = "buid=0x800000020000000";
const PE = [7, 0x0800_0000, 0x2000_0000];

describe("the trace of a call is the line that QEMU logs", () => {
  const dma = (g: Guest, iova: bigint, length: number): void => {
    const device = new PciDevice(g.machine.phb(0), "dev");
    device.setBusMaster(true);
    device.read(iova, new Uint8Array(length));
  };
  it.each([
    [
      "pci_put",
      (g: Guest) => g.put(WIN0, 0x1234n, 0x5_0003n),
      "pci_put liobn=0x80000000 ioba=0x1000 tce=0x50003 ret=0",
    ],
    [
      "pci_put, refused",
      (g: Guest) => g.put(WIN0, 0x4000_0123n, 3n),
      "pci_put liobn=0x80000000 ioba=0x40000000 tce=0x3 ret=-4",
    ],
    [
      "pci_put, unknown: not rounded",
      (g: Guest) => g.put(WIN0 + 9n, 0x1234n, 3n),
      "pci_put liobn=0x80000009 ioba=0x1234 tce=0x3 ret=-4",
    ],
    [
      "pci_put, above 32 bits",
      (g: Guest) => g.put(TOP, 0x1n, 3n),
      "pci_put liobn=0xffffffff80000000 ioba=0x1 tce=0x3 ret=-4",
    ],
    [
      "pci_put, disabled",
      (g: Guest) => g.put(WIN1, 0x1234n, 3n),
      "pci_put liobn=0x80000001 ioba=0x1234 tce=0x3 ret=-4",
    ],
    ["put", (g: Guest) => g.put(VIO, 0x1fffn, 1n), "put liobn=0x71000001 ioba=0x1000 tce=0x1 ret=0"],
    ["put, unknown", (g: Guest) => g.put(5n, 0n, 1n), "put liobn=0x5 ioba=0x0 tce=0x1 ret=-4"],
    ["pci_get", (g: Guest) => g.get(WIN0, 0xfffn), "pci_get liobn=0x80000000 ioba=0x0 ret=0 tce=0x0"],
    [
      "pci_get, refused",
      (g: Guest) => g.get(WIN0, 0x4000_0000n),
      "pci_get liobn=0x80000000 ioba=0x40000000 ret=-4 tce=0x0",
    ],
    ["get", (g: Guest) => g.get(VIO, 0x2001n), "get liobn=0x71000001 ioba=0x2000 ret=0 tce=0x0"],
    ["get, unknown", (g: Guest) => g.get(6n, 0x2001n), "get liobn=0x6 ioba=0x2001 ret=-4 tce=0x0"],
    [
      "pci_indirect",
      (g: Guest) => g.indirect(WIN0, 0x123n, [1n, 0x1001n]),
      "pci_indirect liobn=0x80000000 ioba=0x123 tcelist=0x200000 iobaN=0x1 tceN=0x1001 ret=0",
    ],
    [
      "pci_indirect, the first refused",
      (g: Guest) => g.indirect(WIN0, 0x4000_0000n, [0x9001n, 2n]),
      "pci_indirect liobn=0x80000000 ioba=0x40000000 tcelist=0x200000 iobaN=0x0 tceN=0x9001 ret=-4",
    ],
    [
      "pci_indirect, the second refused",
      (g: Guest) => g.indirect(WIN0, 0x3fff_f000n, [0x9001n, 2n, 5n]),
      "pci_indirect liobn=0x80000000 ioba=0x3ffff000 tcelist=0x200000 iobaN=0x0 tceN=0x2 ret=-4",
    ],
    [
      "pci_indirect of none",
      (g: Guest) => g.indirect(WIN0, 0n, []),
      "pci_indirect liobn=0x80000000 ioba=0x0 tcelist=0x200000 iobaN=0x0 tceN=0x0 ret=-4",
    ],
    [
      "indirect",
      (g: Guest) => g.indirect(VIO, 0n, [3n]),
      "indirect liobn=0x71000001 ioba=0x0 tcelist=0x200000 iobaN=0x0 tceN=0x3 ret=0",
    ],
    [
      "pci_stuff",
      (g: Guest) => g.stuff(WIN0, 0x1fffn, 7n, 16),
      "pci_stuff liobn=0x80000000 ioba=0x11000 tcevalue=0x7 npages=16 ret=0",
    ],
    [
      "pci_stuff of none",
      (g: Guest) => g.stuff(WIN0, 0x1fffn, 7n, 0),
      "pci_stuff liobn=0x80000000 ioba=0x1000 tcevalue=0x7 npages=0 ret=-4",
    ],
    [
      "pci_stuff, none and disabled",
      (g: Guest) => g.stuff(WIN1, 0x1fffn, 7n, 0),
      "pci_stuff liobn=0x80000001 ioba=0x1fff tcevalue=0x7 npages=0 ret=-4",
    ],
    [
      "pci_stuff past the end",
      (g: Guest) => g.stuff(WIN0, 0x3fff_e000n, 7n, 9),
      "pci_stuff liobn=0x80000000 ioba=0x40000000 tcevalue=0x7 npages=9 ret=-4",
    ],
    [
      "stuff",
      (g: Guest) => g.stuff(VIO, 0n, 0n, 0x1_0000),
      "stuff liobn=0x71000001 ioba=0x10000000 tcevalue=0x0 npages=65536 ret=0",
    ],
    [
      "xlate of nothing",
      (g: Guest) => dma(g, 0x2000n, 4),
      "xlate liobn=0x80000000 0x2000 -> 0x0 perm=0 mask=0xfff",
    ],
    [
      "query of 5",
      (g: Guest) => g.rtas("ibm,query-pe-dma-window", PE, 5),
      `ddw_query ${BUID} addr=0x7, 1 windows available, max window size=0x80000000, mask=0x107`,
    ],
    [
      "query of 6",
      (g: Guest) => g.rtas("ibm,query-pe-dma-window", PE, 6),
      `ddw_query ${BUID} addr=0x7, 1 windows available, max window size=0x80000000, mask=0x107`,
    ],
    [
      "reset",
      (g: Guest) => g.rtas("ibm,reset-pe-dma-window", PE, 1),
      ["new_table liobn=0x80000000 table=0x80000000000 fd=-1", `ddw_reset ${BUID} addr=0x7`],
    ],
    [
      "create",
      (g: Guest) => g.create(16, 30),
      [
        "new_table liobn=0x80000001 table=0x80000001000 fd=-1",
        `ddw_create ${BUID} addr=0x0, page size=0x10000, requested=0x40000000, start addr=0x800000000000000, liobn=0x80000001`,
      ],
    ],
    ["remove", (g: Guest) => g.remove(WIN0), "ddw_remove liobn=0x80000000"],
    [
      "a notifier with a disabled window",
      (g: Guest) =>
        g.machine
          .phb(0)
          .windows[1]!.iommu.registerNotifier(new IommuNotifier({ name: "n", flags: 3, notify: () => {} })),
      "new_table liobn=0x80000001 table=(nil) fd=-1",
    ],
    // No event at all (QEMU-TRACE-1).
    ["indirect, unknown", (g: Guest) => g.indirect(5n, 0n, [3n]), []],
    ["indirect of 513", (g: Guest) => g.indirectAt(WIN0, 0n, LIST_AT, 513), []],
    ["indirect, misaligned", (g: Guest) => g.indirectAt(WIN0, 0n, LIST_AT + 4n, 1), []],
    ["stuff, unknown", (g: Guest) => g.stuff(5n, 0n, 3n, 1), []],
    ["stuff of too many", (g: Guest) => g.stuff(WIN0, 0n, 3n, 0x4_0001), []],
    ["query of 4", (g: Guest) => g.query(4), []],
    ["create, refused", (g: Guest) => g.create(13, 30), []],
    ["create of 2^32", (g: Guest) => g.create(12, 44), []],
    ["remove, refused", (g: Guest) => g.remove(WIN1), []],
    ["an unknown hypercall", (g: Guest) => g.machine.call(0x24), []],
    ["DMA outside of all windows", (g: Guest) => dma(g, 1n << 62n, 4), []],
  ] as const)("%s", (_name, call, lines) => {
    const guest = new Guest({ vio: [{ type: "spapr-vscsi" }] });
    call(guest);
    expect(guest.log).toEqual([lines].flat().map((line) => `spapr_iommu_${line}`));
  });

  it("shows a translation by the offset in the window, the page and a mask of 32 bits (QEMU-TRACE-3)", () => {
    const guest = new Guest({ phbs: [{ index: 0, pgsz: 1n << 34n }] });
    guest.create(34, 40);
    guest.put(WIN1, HIGH, (5n << 34n) | 0x1_2341n);
    guest.log.length = 0;
    const device = new PciDevice(guest.machine.phb(0), "dev");
    device.setBusMaster(true);
    device.read(HIGH + 0x10n, new Uint8Array(4));
    device.setBusMaster(false);
    device.read(HIGH + 0x10n, new Uint8Array(4));
    expect(guest.log).toEqual([
      "spapr_iommu_xlate liobn=0x80000001 0x10 -> 0x1400000000 perm=1 mask=0xffffffff",
    ]);
  });

  it("tells the restoring of the default window behind the removal", () => {
    const guest = new Guest();
    guest.create(12, 20);
    guest.remove(WIN0);
    guest.log.length = 0;
    guest.remove(WIN1);
    expect(guest.log).toEqual([
      "spapr_iommu_ddw_remove liobn=0x80000001",
      "spapr_iommu_new_table liobn=0x80000000 table=0x80000000000 fd=-1",
      `spapr_iommu_ddw_reset ${BUID} addr=0x0`,
    ]);
  });

  // The two of migration, which no call of the guest makes.
  it.each<[TraceEvent, string]>([
    [
      { name: "spapr_iommu_pre_save", liobn: WIN0, entries: 0x4_0000, busOffset: HIGH, pageShift: 12 },
      "spapr_iommu_pre_save liobn=80000000 40000 bus_offset=0x800000000000000 ps=12",
    ],
    [
      {
        name: "spapr_iommu_post_load",
        liobn: WIN1,
        entries: 0,
        newEntries: 16,
        busOffset: 0n,
        pageShift: 16,
      },
      "spapr_iommu_post_load liobn=80000001 0 => 0x10 bus_offset=0x0 ps=16",
    ],
  ])("formats %o", (event, line) => {
    expect(formatTraceEvent(event)).toBe(line);
  });
});
