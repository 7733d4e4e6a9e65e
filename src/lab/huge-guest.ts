import { toBig } from "../base/u64.ts";
import { cells } from "../guest/guest-calls.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import type { Machine } from "../spapr/machine.ts";
import { RtasToken } from "../spapr/papr.ts";
import type { ScenarioContext } from "./scenario.ts";

const TIB = 1n << 40n;
const GIB = 1n << 30n;

/** What a guest has, and the window that it asks for. */
export interface HugeGuest {
  readonly ramBytes: bigint;
  /** Where the memory of its GPU lies. */
  readonly gpuAddress: bigint;
  readonly gpuBytes: bigint;
  /** log2 of the pages of the window, and their bytes. */
  readonly pageShift: number;
  readonly pageBytes: bigint;
  /** log2 of the bytes of the window. */
  readonly windowShift: number;
}

/** The guest of the seed change: GPU memory at 64 TiB makes it ask for a window of 128 TiB. */
export const HUGE_GUEST: HugeGuest = {
  ramBytes: 4n * GIB,
  // NVLink2 GPU memory lies right above the PCI addresses.
  gpuAddress: 64n * TIB,
  gpuBytes: 32n * GIB,
  pageShift: 16,
  pageBytes: 1n << 16n,
  // The next power of two above the highest memory address.
  windowShift: 47,
};

/** What real QEMU takes for a window. */
export interface QemuCosts {
  /** Nanoseconds a TCE to plug a device: the least and the most. */
  readonly plugNs: readonly number[];
  /** Seconds for 2^31 of them, by processor time. */
  readonly plugSeconds: readonly number[];
  /** Nanoseconds a TCE to create a window with a device attached, the replay skipped. */
  readonly createNs: number;
  /** Resident memory that the copy of the table takes. */
  readonly bytesPerTce: number;
}

/** Measured with QEMU 11.1.3 under TCG, windows up to 2^30 TCEs, one x86-64 machine; linear in the TCEs. */
export const QEMU_MEASURED: QemuCosts = {
  plugNs: [17, 33],
  plugSeconds: [65, 82],
  createNs: 12.5,
  bytesPerTce: 8,
};

/** Pages of the generic replay that are really walked to measure its rate. */
export const WALKED_PAGES: number = 2 ** 20;

/** A window that a guest has created. */
export interface CreatedWindow {
  readonly status: number;
  readonly liobn: number;
  readonly start: bigint;
  readonly window: DmaWindow;
}

/** Makes the window as the guest does: ibm,create-pe-dma-window. */
export function createHugeWindow(machine: Machine): CreatedWindow {
  const [phb] = machine.phbs;
  const args = [0, ...cells(phb!.buid), HUGE_GUEST.pageShift, HUGE_GUEST.windowShift];
  const [status, liobn, startHi, startLo] = machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
  if (status !== 0) throw new Error(`ibm,create-pe-dma-window answered ${status}`);
  return {
    status,
    liobn: liobn!,
    start: toBig(startHi!, startLo!),
    window: machine.env.liobns.find(0, liobn!)!,
  };
}

/** Seconds that the generic replay takes for a page of a window; walks {@link WALKED_PAGES} of them. */
export function walkSecondsPerPage(context: ScenarioContext, window: DmaWindow): number {
  const notifier = new IommuNotifier({
    name: "measurement",
    flags: NotifierFlag.IOTLB_EVENTS,
    notify: () => {},
  });
  const start = context.now();
  const walk = window.iommu.replayByPages(notifier, WALKED_PAGES);
  return (context.now() - start) / walk.steps;
}
