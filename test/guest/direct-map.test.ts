import { describe, expect, it } from "vitest";
import { clearPages, mapMemory } from "../../src/guest/direct-map.ts";
import { cells, GuestCalls } from "../../src/guest/guest-calls.ts";
import { GuestWindow } from "../../src/guest/guest-window.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { RtasToken } from "../../src/spapr/papr.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** A machine with a window that a guest made, and the calls it gets. */
function machineWithWindow(pageShift: number, windowShift: number) {
  const machine = new Machine({ phbs: [{ index: 0, pgsz: 1n << BigInt(pageShift) }] });
  const args = [0, ...cells(machine.phb(0).buid), pageShift, windowShift];
  const [status, liobn] = machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
  expect(status).toBe(0);
  const lines: { ioba: bigint; count: number }[] = [];
  machine.observer.trace = (event) => {
    if (event.name === "spapr_iommu_pci_indirect")
      lines.push({ ioba: event.ioba, count: Number(event.last) + 1 });
  };
  return {
    machine,
    window: new GuestWindow(liobn!, 1n << 59n, pageShift),
    lines,
    calls: new GuestCalls(machine),
  };
}

describe("the direct map of a range (LINUX-DIRECT-1)", () => {
  it.each([
    { start: 0, size: 4 * GIB, shift: 16, pages: 65_536, calls: 128 },
    { start: 0, size: 4 * GIB, shift: 24, pages: 256, calls: 1 },
    { start: 0, size: 256 * MIB, shift: 16, pages: 4096, calls: 8 },
    { start: 0, size: GIB + 65_536, shift: 24, pages: 64, calls: 1 },
    { start: 0x108_0000, size: 31.5 * MIB, shift: 24, pages: 2, calls: 1 },
    { start: 0, size: 20 * GIB, shift: 34, pages: 1, calls: 1 },
  ])(
    "has $pages pages of 2^$shift bytes for $size bytes at $start",
    ({ start, size, shift, pages, calls }) => {
      const { window, calls: guest, machine, lines } = machineWithWindow(shift, 36);
      expect(mapMemory(guest, window, { start, size })).toEqual({ status: 0, calls, pages });
      expect(lines).toHaveLength(calls);
      const table = machine.phb(0).windows[1]!.table!;
      expect(table.validCount).toBe(pages);
      const first = Math.floor(start / 2 ** shift);
      expect(table.get(first)).toBe(BigInt(first) * BigInt(2 ** shift) + 3n);
    },
  );

  it("makes a call for a list of 0 where no whole page is, which QEMU refuses (QEMU-TCE-6)", () => {
    const { window, calls } = machineWithWindow(34, 36);
    expect(mapMemory(calls, window, { start: 0, size: 8 * GIB })).toEqual({ status: -4, calls: 1, pages: 0 });
  });

  it("stops at the call that is refused", () => {
    const { window, calls } = machineWithWindow(16, 26);
    const { status, calls: made, pages } = mapMemory(calls, window, { start: 0, size: 128 * MIB });
    expect({ status, made, pages }).toEqual({ status: -4, made: 3, pages: 1024 });
  });

  it("puts entry by entry without lists, whatever the answers", () => {
    const { window, calls, machine } = machineWithWindow(24, 30);
    expect(mapMemory(calls, window, { start: 0, size: 2 * GIB }, false)).toEqual({
      status: 0,
      calls: 128,
      pages: 128,
    });
    expect(machine.phb(0).windows[1]!.table!.validCount).toBe(64);
  });

  it("is cleared in calls of 512, up to one that is refused", () => {
    const { window, calls, machine } = machineWithWindow(16, 26);
    mapMemory(calls, window, { start: 0, size: 64 * MIB });
    expect(clearPages(calls, window, 512, 512)).toBe(0);
    expect(machine.phb(0).windows[1]!.table!.validCount).toBe(512);
    expect(clearPages(calls, window, 0, 2048)).toBe(-4);
    expect(machine.phb(0).windows[1]!.table!.validCount).toBe(0);
  });
});
