import { describe, expect, it } from "vitest";
import { LinuxGuest, type LinuxGuestConfig } from "../../src/guest/linux-guest.ts";
import { PciFunction } from "../../src/guest/pci-function.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { PhbConfig } from "../../src/spapr/phb.ts";
import type { TraceEvent } from "../../src/spapr/trace-events.ts";
import { same } from "../helpers/same.ts";

const GIB = 2 ** 30;

/** A guest of 1 GiB on a machine with one device, its calls and what it says. */
function guestOf(phb: Partial<PhbConfig>, config: Partial<LinuxGuestConfig> = {}) {
  const machine = new Machine({ ramSize: BigInt(GIB), phbs: [{ index: 0, ...phb }] });
  const events: TraceEvent[] = [];
  const log: string[] = [];
  machine.observer.trace = (event) => events.push(event);
  const fn = new PciFunction(0, 1, 0, "nvme");
  const guest = new LinuxGuest(machine, {
    kernel: "6.1",
    memory: { ram: [{ start: 0, size: GIB }], highest: 0 },
    functions: [fn],
    log: (line) => log.push(line),
    ...config,
  });
  guest.boot();
  events.length = 0;
  return { machine, guest, fn, events, log };
}

describe("a window of a guest's own", () => {
  it("maps memory directly, and the default window stays", () => {
    const { machine, guest, fn } = guestOf({});
    expect(guest.setMask(fn, 64)).toBe(true);
    expect({ offset: fn.dmaOffset, bypass: fn.bypass }).toEqual({ offset: 1n << 59n, bypass: true });
    expect(machine.phb(0).windows.map(({ enabled }) => enabled)).toEqual([true, true]);
    expect(machine.phb(0).windows[1]!.table!.validCount).toBe(64);
  });

  it("is the largest one that is offered where memory is larger (LINUX-DDW-3), which QEMU refuses", () => {
    const memory = {
      ram: [{ start: 0, size: GIB }],
      highest: 0,
      otherNodes: [{ start: 2 ** 50, size: GIB }],
    };
    const { guest, fn, events } = guestOf({ pgsz: 0x1000n }, { memory });
    guest.setMask(fn, 64);
    // 2^51 bytes in pages of 4 KiB are more than the 2^37 entries that are offered; QEMU makes fewer than 2^32.
    expect(events.map(({ name }) => name)).toEqual(["spapr_iommu_ddw_query"]);
    expect(guest.nodeOf(fn)!.failed).toBe(true);
  });

  it("is not asked for again after a failure, until the next boot (LINUX-DDW-5)", () => {
    const { guest, fn, events } = guestOf({}, { kernel: "6.12" });
    guest.setMask(fn, 64);
    guest.setCoherentMask(fn, 64);
    guest.setMask(fn, 64);
    expect(events.map(({ name }) => name)).toEqual(["spapr_iommu_ddw_query"]);
  });

  it.each([
    { config: { disableDdw: true }, phb: {} },
    { config: {}, phb: { ddw: false } },
  ])("is not asked for: $config, $phb", ({ config, phb }) => {
    const { guest, fn, events } = guestOf(phb, config);
    expect(guest.setMask(fn, 64)).toBe(true);
    expect(events).toEqual([]);
    expect(fn.bypass).toBe(false);
  });

  it("is put entry by entry where lists are switched off", () => {
    const { guest, fn, events } = guestOf({}, { singleEntries: true });
    guest.setMask(fn, 64);
    expect(events.filter(({ name }) => name === "spapr_iommu_pci_put")).toHaveLength(64);
  });

  it("is removed with its bridge", () => {
    const { machine, guest, fn, events } = guestOf({});
    guest.setMask(fn, 64);
    events.length = 0;
    guest.removeBridge(0);
    expect(events.map(({ name }) => name)).toEqual(["spapr_iommu_pci_stuff", "spapr_iommu_ddw_remove"]);
    expect(machine.phb(0).windows[1]!.enabled).toBe(false);
  });

  it("refuses a mask that its only window does not reach", () => {
    const { guest, fn, log } = guestOf({ dmaWinAddr: 1n << 40n });
    expect(guest.setMask(fn, 32)).toBe(false);
    expect(log).toEqual(["pci 0000:00:01.0: Warning: IOMMU offset too big for device mask"]);
  });
});

it("10,000 devices on 31 bridges with 4 TiB of memory boot, each bridge with a window", () => {
  const size = 2 ** 42;
  const machine = new Machine({
    ramSize: BigInt(size),
    phbs: Array.from({ length: 31 }, (_, index) => ({ index })),
  });
  const functions = Array.from({ length: 10_000 }, (_, i) => {
    const place = Math.floor(i / 31);
    return new PciFunction(i % 31, (place >> 3) & 31, place & 7, "ethernet", place >> 8);
  });
  const guest = new LinuxGuest(machine, {
    kernel: "6.12",
    memory: { ram: [{ start: 0, size }], highest: size },
    functions,
  });
  guest.boot();
  for (const fn of functions) {
    same(guest.setMask(fn, 64), true, () => fn.name);
    guest.setCoherentMask(fn, 64);
  }
  expect(new Set(functions.map(({ name }) => name)).size).toBe(10_000);
  expect(functions.every(({ bypass }) => bypass)).toBe(true);
  for (const phb of machine.phbs) expect(phb.windows[1]!.table!.validCount).toBe(2 ** 18);
}, 120_000);
