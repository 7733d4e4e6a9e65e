import { expect } from "vitest";
import type { MemoryRange } from "../../src/guest/direct-map.ts";
import { KernelMemory } from "../../src/guest/drivers/kernel-memory.ts";
import { cells } from "../../src/guest/guest-calls.ts";
import { GuestWindow } from "../../src/guest/guest-window.ts";
import { IommuTable } from "../../src/guest/iommu-table.ts";
import { LinuxGuest } from "../../src/guest/linux-guest.ts";
import { PciFunction } from "../../src/guest/pci-function.ts";
import type { DmaFault } from "../../src/memory/dma-fault.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { MachineConfig } from "../../src/spapr/machine-config.ts";
import { RtasToken } from "../../src/spapr/papr.ts";

export const MIB: number = 2 ** 20;
export const GIB: number = 2 ** 30;

/** How a test's machine is made. */
export interface DriverMachineOptions {
  readonly ramBytes?: number;
  readonly cpuPageSize?: number;
  /**
   * Pages of a second window whose entries are given out; 12 is the default window, and `direct` one with all memory.
   */
  readonly pageShift?: number | "direct";
  readonly machine?: MachineConfig;
  /** Other memory that the tree has. */
  readonly otherNodes?: readonly MemoryRange[];
}

/** A machine with one function behind its bridge, booted, with memory for its driver. */
export function driverMachine({
  ramBytes = GIB,
  cpuPageSize = 65_536,
  pageShift = 12,
  machine: config = {},
  otherNodes = [],
}: DriverMachineOptions = {}) {
  const isDirect = pageShift === "direct";
  const sizes = isDirect || pageShift === 12 ? {} : { pgsz: (1n << BigInt(pageShift)) | 0x1000n };
  const machine = new Machine({ ramSize: BigInt(ramBytes), phbs: [{ index: 0, ...sizes }], ...config });
  const faults: DmaFault[] = [];
  machine.memory.onDmaFault = (fault) => faults.push(fault);
  const fn = new PciFunction(0, 1, 0, "ethernet");
  const log: string[] = [];
  const guest = new LinuxGuest(machine, {
    kernel: "linux-6.1",
    memory: { ram: [{ start: 0, size: ramBytes }], highest: ramBytes, otherNodes },
    functions: [fn],
    cpuPageSize,
    log: (line) => log.push(line),
  });
  guest.boot();
  if (isDirect) {
    expect(guest.setMask(fn, 64) && guest.setCoherentMask(fn, 64)).toBe(true);
  } else if (pageShift !== 12) {
    const entries = 512;
    const args = [fn.configAddress, ...cells(machine.phb(0).buid), pageShift, pageShift + 9];
    const [status, liobn, hi, lo] = machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4) as [
      number,
      number,
      number,
      number,
    ];
    expect(status).toBe(0);
    const window = new GuestWindow(liobn, (BigInt(hi) << 32n) | BigInt(lo), pageShift);
    fn.table = new IommuTable(window, entries);
    fn.streamingMask = 2n ** 64n - 1n;
    fn.coherentMask = fn.streamingMask;
  }
  const memory = new KernelMemory(machine.systemMemory, { start: 64 * MIB, end: ramBytes });
  /** Entries of all windows that are valid now. */
  const mapped = (): number =>
    machine.phb(0).windows.reduce((sum, { table }) => sum + (table?.validCount ?? 0), 0);
  return { machine, guest, fn, memory, faults, log, mapped };
}
