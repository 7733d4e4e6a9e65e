import { describe, expect, it } from "vitest";
import type { FlatRange } from "../../src/memory/flat-view.ts";
import { encodeProperty } from "../../src/spapr/device-tree.ts";
import { DmaWindow } from "../../src/spapr/dma-window.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { MachineConfig } from "../../src/spapr/machine-config.ts";
import { PciDevice } from "../../src/spapr/pci-device.ts";
import { Guest, HIGH, WIN0, WIN1 } from "./guest.ts";

const VIO = 0x7100_0001n;
const MIB = 1n << 20n;

/** Logs the comings and goings of windows in all address spaces of a machine. */
function follow(machine: Machine): string[] {
  const heard: string[] = [];
  const tell = (what: string) => (section: FlatRange) => heard.push(`${what} ${section.region.name}`);
  for (const space of machine.memory.spaces) {
    machine.memory.register({ name: "follow", regionAdd: tell("add"), regionDel: tell("del") }, space);
  }
  heard.length = 0;
  return heard;
}

describe("a machine reset", () => {
  const config: MachineConfig = {
    phbs: [{ index: 0 }, { index: 1 }],
    vio: [{ type: "spapr-vscsi" }, { type: "spapr-vlan" }],
  };

  it("resets the bridge made last first, and virtual devices behind the bridges", () => {
    const guest = new Guest(config);
    guest.create(16, 30, 0);
    guest.rtas("ibm,set-tce-bypass", [Number(VIO), 1], 1);
    const heard = follow(guest.machine);
    guest.machine.reset();
    expect(heard).toEqual([
      "del tce-iommu-80000100",
      "add tce-iommu-80000100",
      "del tce-iommu-80000000",
      "del tce-iommu-80000001",
      "add tce-iommu-80000000",
      // Bypass of the v-scsi goes off in two transactions.
      "del ppc_spapr.ram",
      "add tce-iommu-71000001",
    ]);
  });

  it("leaves the default windows, empty, no bypass, and memory as it was", () => {
    const guest = new Guest(config);
    guest.create(16, 30, 1);
    guest.remove(0x8000_0100n);
    for (const liobn of [WIN0, VIO, 0x8000_0101n]) guest.put(liobn, liobn > WIN1 ? HIGH : 0n, 0x1003n);
    guest.rtas("ibm,set-tce-bypass", [Number(VIO), 1], 1);
    guest.writeCells(0x5000n, [0x1234]);
    guest.machine.reset();
    expect(
      guest.machine.phbs.map((phb) => phb.windows.map((w) => [w.entries, w.busOffset, w.defaultWindow])),
    ).toEqual(
      [0, 1].map(() => [
        [0x4_0000, 0n, true],
        [0, 0n, false],
      ]),
    );
    expect([WIN0, 0x8000_0100n, VIO].map((liobn) => guest.get(liobn, 0n))).toEqual([0n, 0n, 0n]);
    expect(guest.machine.vio.find(Number(VIO))!.window!.bypass).toBe(false);
    expect(guest.readCells(0x5000n, 1)).toEqual([0x1234]);
  });
});

describe("a PCI host bridge", () => {
  it("comes with its default window, and goes with all of its windows: 1, then 0", () => {
    const guest = new Guest();
    const phb = guest.machine.plugPhb({ index: 5 });
    expect(guest.put(0x8000_0500n, 0n, 3n)).toBe(0);
    expect(guest.query(5, 5).slice(0, 2)).toEqual([0, 1]);
    guest.create(16, 30, 5);
    const heard = follow(guest.machine);
    guest.machine.unplugPhb(phb);
    expect(heard.slice(0, 2)).toEqual(["del tce-iommu-80000501", "del tce-iommu-80000500"]);
    expect(heard.slice(2)).toEqual(["del msi"]);
    expect(guest.put(0x8000_0500n, 0n, 3n)).toBe(-4);
    expect(guest.query(5, 5)[0]).toBe(-3);
    expect(guest.machine.memory.spaces.map((space) => space.name)).toEqual(["memory", "pci@800000020000000"]);
    // Its numbers are free again.
    guest.machine.plugPhb({ index: 5 });
    expect(guest.get(0x8000_0500n, 0n)).toBe(0n);
  });

  it("shows window 1 in front of window 0, and both in front of MSI", () => {
    const guest = new Guest();
    const ranges = () => guest.machine.phb(0).addressSpace.view.ranges.map((range) => range.region.name);
    expect(ranges()).toEqual(["tce-iommu-80000000", "msi"]);
    guest.remove(WIN0);
    guest.create(16, 47);
    expect(ranges()).toEqual(["tce-iommu-80000000"]);
    guest.create(16, 20);
    guest.remove(WIN0);
    guest.create(16, 21);
    expect(ranges()).toEqual(["msi", "tce-iommu-80000001", "tce-iommu-80000000"]);
  });

  it("without dynamic windows has one", () => {
    const { windows } = new Machine({ phbs: [{ index: 0, ddw: false }] }).phb(0);
    expect(windows.map((window) => window.liobn)).toEqual([0x8000_0000]);
  });

  it("answers a device only while its bus-master bit is set", () => {
    const guest = new Guest();
    guest.put(WIN0, 0n, 0x5003n);
    guest.writeCells(0x5000n, [7]);
    const device = new PciDevice(guest.machine.phb(0), "nic");
    const faults: string[] = [];
    guest.machine.memory.onDmaFault = (fault) => faults.push(`${fault.who} ${fault.reason}`);
    const read = () => {
      const into = new Uint8Array(4).fill(0xee);
      return [device.read(0n, into), into[3]];
    };
    expect(read()).toEqual([2, 0]);
    device.setBusMaster(true);
    expect([device.busMaster, read()]).toEqual([true, [0, 7]]);
    device.setBusMaster(false);
    expect(read()).toEqual([2, 0]);
    expect(faults).toEqual(["nic outside", "nic outside"]);
    device.destroy();
    device.destroy();
    expect(guest.machine.memory.spaces).toHaveLength(2);
  });
});

describe("a virtual I/O device", () => {
  const guest = () =>
    new Guest({ vio: [{ type: "spapr-vscsi" }, { type: "spapr-vty" }, { type: "spapr-vlan" }] });

  it("has a window if its kind does DMA, and the next free unit address", () => {
    expect(guest().machine.vio.devices.map((device) => [device.name, device.window?.entries])).toEqual([
      ["v-scsi@71000001", 0x1_0000],
      ["vty@71000002", undefined],
      ["l-lan@71000003", 0x1_0000],
    ]);
  });

  it("sees memory through its window, or with bypass all of it; hypercalls do not care", () => {
    const g = guest();
    const { addressSpace } = g.machine.vio.find(Number(VIO))!;
    const first = () => addressSpace!.view.ranges.map((range) => `${range.region.name} ${range.size / MIB}M`);
    expect(first()).toEqual(["tce-iommu-71000001 256M"]);
    g.put(VIO, 0n, 0x5003n);
    expect(g.rtas("ibm,set-tce-bypass", [Number(VIO), 1], 1).rets).toEqual([0]);
    expect(first()).toEqual(["ppc_spapr.ram 256M"]);
    expect(g.get(VIO, 0n)).toBe(0x5003n);
    g.rtas("ibm,set-tce-bypass", [Number(VIO), 0], 1);
    expect(first()).toEqual(["tce-iommu-71000001 256M"]);
  });

  it("is emptied by quiesce, which leaves bypass and PCI windows alone", () => {
    const g = guest();
    for (const liobn of [VIO, 0x7100_0003n, WIN0]) g.put(liobn, 0x1000n, 0x5003n);
    g.rtas("ibm,set-tce-bypass", [Number(VIO), 1], 1);
    expect(g.rtas("quiesce", [], 1).rets).toEqual([0]);
    expect([VIO, 0x7100_0003n, WIN0].map((liobn) => g.get(liobn, 0x1000n))).toEqual([0n, 0n, 0x5003n]);
    expect(g.machine.vio.find(Number(VIO))!.window!.bypass).toBe(true);
  });
});

describe("the device tree", () => {
  it("shows the default window as of the last reset, whatever comes and goes", () => {
    const guest = new Guest({
      vio: [{ type: "spapr-vlan" }],
      phbs: [{ index: 0 }, { index: 1, ddw: false }],
    });
    const node = () => guest.machine.deviceTree.get("/pci@800000020000000")!;
    guest.create(16, 30);
    guest.remove(WIN0);
    expect(node()["ibm,dma-window"]).toEqual([0x8000_0000, 0, 0, 0, 0x4000_0000]);
    expect(node()["ibm,ddw-applicable"]).toEqual([0x2026, 0x2027, 0x2028]);
    expect(guest.machine.deviceTree.get("/pci@800000020000001")!["ibm,ddw-applicable"]).toBeUndefined();
    expect(guest.machine.deviceTree.get("/vdevice/l-lan@71000001")!["ibm,my-dma-window"]).toEqual([
      0x7100_0001, 0, 0, 0, 0x1000_0000,
    ]);
    expect(guest.machine.deviceTree.get("/rtas")!["ibm,create-pe-dma-window"]).toEqual([0x2027]);
  });

  it("is encoded big-endian, and strings with their zeros", () => {
    expect([...encodeProperty([0x8000_0001, 2])]).toEqual([0x80, 0, 0, 1, 0, 0, 0, 2]);
    expect(new TextDecoder().decode(encodeProperty(["ab", "c"]))).toBe("ab\0c\0");
  });
});

describe("a bad configuration", () => {
  const BIG = 1n << 64n;
  it.each<{ name: string; config: MachineConfig; code: string; message: string }>([
    {
      name: "profile",
      config: { profile: "qemu-1" },
      code: "BAD_CONFIG",
      message: 'profile "qemu-1": must be one of',
    },
    { name: "no memory", config: { ramSize: 0n }, code: "OUT_OF_RANGE", message: "memory of 0 bytes" },
    {
      name: "bridge index 31",
      config: { phbs: [{ index: 31 }] },
      code: "BAD_CONFIG",
      message: '"index" 31 for PAPR PHB',
    },
    {
      name: "bridge index 0.5",
      config: { phbs: [{ index: 0.5 }] },
      code: "BAD_CONFIG",
      message: '"index" 0.5 for PAPR PHB',
    },
    {
      name: "a bridge twice",
      config: { phbs: [{ index: 2 }, { index: 2 }] },
      code: "BAD_CONFIG",
      message: "bridge index 2 is in use",
    },
    {
      name: "pgsz",
      config: { phbs: [{ index: 0, pgsz: BIG }] },
      code: "BAD_CONFIG",
      message: `pgsz ${BIG} does not fit`,
    },
    {
      name: "dma_win_addr",
      config: { phbs: [{ index: 0, dmaWinAddr: -1n }] },
      code: "BAD_CONFIG",
      message: "dma_win_addr -1 does not fit",
    },
    {
      name: "dma_win_size",
      config: { phbs: [{ index: 0, dmaWinSize: BIG }] },
      code: "BAD_CONFIG",
      message: `dma_win_size ${BIG}`,
    },
    {
      name: "dma64_win_addr",
      config: { phbs: [{ index: 0, dma64WinAddr: BIG }] },
      code: "BAD_CONFIG",
      message: `dma64_win_addr ${BIG}`,
    },
    {
      name: "VIO type",
      config: { vio: [{ type: "constructor" }] },
      code: "BAD_CONFIG",
      message: 'VIO device "constructor": must be',
    },
    {
      name: "VIO unit of a bridge",
      config: { vio: [{ type: "spapr-vlan", reg: 2 ** 31 }] },
      code: "BAD_CONFIG",
      message: "VIO unit address 2147483648",
    },
    {
      name: "VIO unit of the nvram",
      config: { vio: [{ type: "spapr-vlan", reg: 0x7100_0000 }] },
      code: "BAD_CONFIG",
      message: "VIO unit address 0x71000000 is in use",
    },
    {
      name: "VIO unit twice",
      config: {
        vio: [
          { type: "spapr-vlan", reg: 7 },
          { type: "spapr-vty", reg: 7 },
        ],
      },
      code: "BAD_CONFIG",
      message: "VIO unit address 0x7 is in use",
    },
    {
      name: "device memory above 2^64",
      config: { deviceRam: [{ address: BIG - 1n, sizeBytes: 2n }] },
      code: "OUT_OF_RANGE",
      message: "range at 0xffffffffffffffff of 2 bytes",
    },
  ])("makes no machine, and names the value: $name", ({ config, code, message }) => {
    expect(() => new Machine(config)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it("cannot take a LIOBN that is in use, and leaves its owner alone", () => {
    const guest = new Guest();
    guest.put(WIN0, 0n, 0x1003n);
    expect(() => new DmaWindow(guest.machine.env, "other", 0x8000_0000)).toThrow(
      expect.objectContaining({
        code: "LIOBN_IN_USE",
        message: "attempted to create a TCE table with duplicate LIOBN 0x80000000",
      }),
    );
    expect(guest.get(WIN0, 0n)).toBe(0x1003n);
  });

  it("of a bridge that is plugged in leaves the machine as it was", () => {
    const guest = new Guest();
    expect(() => guest.machine.plugPhb({ index: 0 })).toThrow("bridge index 0 is in use");
    expect(() => guest.machine.plugPhb({ index: 1, pgsz: BIG })).toThrow("pgsz");
    expect(guest.machine.phbs).toHaveLength(1);
    expect(guest.machine.memory.spaces).toHaveLength(2);
    expect(() => guest.machine.phb(1)).toThrow("the machine has no bridge 1");
  });
});

describe("device memory such as GPU RAM at 64 TiB", () => {
  it("is reached through a window of 128 TiB, one to one", () => {
    const at = 1n << 46n;
    const guest = new Guest({ deviceRam: [{ address: at, sizeBytes: 128n << 30n }] });
    guest.create(16, 47);
    const address = at + (127n << 30n);
    guest.put(WIN1, HIGH + address, address | 3n);
    const device = new PciDevice(guest.machine.phb(0), "gpu");
    device.setBusMaster(true);
    expect(device.write(HIGH + address + 8n, Uint8Array.of(1, 2, 3, 4))).toBe(0);
    expect(guest.readCells(address + 8n, 1)).toEqual([0x0102_0304]);
    const table = guest.machine.phb(0).windows[1]!.table!;
    expect([table.length, table.validCount]).toEqual([2 ** 31, 1]);
  });

  it("at an odd address is a list of TCEs like any other", () => {
    const at = (1n << 40n) + 2n;
    const guest = new Guest({ deviceRam: [{ address: at, sizeBytes: 0x1_0000n }] });
    const list = at - 2n + 0x1000n;
    guest.writeCells(list, [0, 0x7003, 0, 0x9001]);
    expect(guest.indirectAt(WIN0, 0n, list, 2)).toBe(0);
    expect([guest.get(WIN0, 0n), guest.get(WIN0, 0x1000n)]).toEqual([0x7003n, 0x9001n]);
  });
});
