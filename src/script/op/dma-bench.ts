import { hex } from "../../base/u64.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { DmaFault } from "../../memory/dma-fault.ts";
import type { Machine } from "../../spapr/machine.ts";
import { Hcall, pciLiobn } from "../../spapr/papr.ts";
import { PciDevice } from "../../spapr/pci-device.ts";
import type { TraceEvent } from "../../spapr/trace-events.ts";
import type { OpResult } from "./result.ts";

/** The page of guest memory through which the recording firmware fills and reads the device's buffer. */
const STAGE_ADDRESS = 0x8000n;
/** Names the entry also where a window does not start on a page boundary. */
const STAGE_LAST = 0xfffn;

type Translation = Extract<TraceEvent, { name: "spapr_iommu_xlate" }>;

/** What a traced transfer did: the pages it was translated by, and whether any byte was refused. */
interface Traced {
  readonly xlate: readonly OpResult[];
  readonly fault: boolean;
}

/**
 * DMA of the test device that the recordings were made with, one after each
 * bridge.
 *
 * Its buffer can be filled and read by DMA only, so each transfer is preceded
 * (a read also followed) by one through a staging page, whose entry in some
 * window of the bridge is replaced for the moment. Where no window reaches that
 * page the firmware cannot see what was read, and does not write at all.
 */
export class DmaBench {
  readonly #machine: Machine;
  readonly #devices = new Map<number, PciDevice>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A machine reset clears the bus-master bits; the next transfer sets them again. */
  reset(): void {
    for (const device of this.#devices.values()) device.setBusMaster(false);
  }

  read(phb: number, iova: bigint, length: number): OpResult {
    const device = this.#device(phb);
    const before = this.#staged(phb, device);
    const data = new Uint8Array(length);
    const { xlate, fault } = this.#traced(() => device.read(iova, data));
    const after = before && this.#staged(phb, device);
    return { fault, data: after ? toHexBytes(data) : null, xlate };
  }

  write(phb: number, iova: bigint, data: Uint8Array): OpResult {
    const device = this.#device(phb);
    if (!this.#staged(phb, device)) return { skipped: true };
    const { xlate, fault } = this.#traced(() => device.write(iova, data));
    return { fault, xlate };
  }

  #device(phb: number): PciDevice {
    let device = this.#devices.get(phb);
    if (device === undefined) {
      device = new PciDevice(this.#machine.phb(phb), `edu on bridge ${phb}`);
      this.#devices.set(phb, device);
    }
    device.setBusMaster(true);
    return device;
  }

  /** Does a transfer, collecting its translations (one for each page touched, as the recordings have them) and faults. */
  #traced(transfer: () => void): Traced {
    const { observer, memory } = this.#machine;
    const { trace } = observer;
    const { onDmaFault } = memory;
    const translations: Translation[] = [];
    let fault = false;
    observer.trace = (event) => {
      trace?.(event);
      if (event.name === "spapr_iommu_xlate" && !samePage(event, translations.at(-1)))
        translations.push(event);
    };
    memory.onDmaFault = (record: DmaFault) => {
      onDmaFault?.(record);
      // A target that is not memory was translated and permitted all the same.
      if (record.reason !== "no-memory") fault = true;
    };
    try {
      transfer();
    } finally {
      observer.trace = trace;
      memory.onDmaFault = onDmaFault;
    }
    return { xlate: translations.map(showTranslation), fault };
  }

  /** Tries the windows and addresses in the firmware's order, silently, until data gets through. */
  #staged(phb: number, device: PciDevice): boolean {
    const { observer, memory } = this.#machine;
    const functions = { ...observer };
    const { onDmaFault } = memory;
    Object.assign(observer, { trace: null, refusal: null, hazard: null });
    memory.onDmaFault = null;
    try {
      return this.#tryStages(phb, device);
    } finally {
      Object.assign(observer, functions);
      memory.onDmaFault = onDmaFault;
    }
  }

  #tryStages(phb: number, device: PciDevice): boolean {
    const { dmaWinAddr, dma64WinAddr } = this.#machine.phb(phb);
    for (const base of [dmaWinAddr, dma64WinAddr]) {
      for (const window of [1, 0]) {
        const liobn = pciLiobn(phb, window);
        const iova = BigInt.asUintN(64, base + STAGE_ADDRESS);
        const entry = BigInt.asUintN(64, iova + STAGE_LAST);
        const { status, registers } = this.#machine.call(Hcall.GET_TCE, liobn, entry);
        if (status !== 0) continue;
        const old = registers.get(4);
        this.#machine.call(Hcall.PUT_TCE, liobn, entry, STAGE_ADDRESS | 3n);
        const through = this.#echoes(device, iova);
        this.#machine.call(Hcall.PUT_TCE, liobn, entry, old);
        if (through) return true;
      }
    }
    return false;
  }

  /** Does a word written to the staging page come back through the device? */
  #echoes(device: PciDevice, iova: bigint): boolean {
    const { systemMemory } = this.#machine;
    const word = Uint8Array.of(1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef);
    const inDevice = new Uint8Array(8);
    const back = new Uint8Array(8);
    systemMemory.write(STAGE_ADDRESS + 0x800n, word, null);
    systemMemory.write(STAGE_ADDRESS + 0x808n, back, null);
    device.read(BigInt.asUintN(64, iova + 0x800n), inDevice);
    device.write(BigInt.asUintN(64, iova + 0x808n), inDevice);
    systemMemory.read(STAGE_ADDRESS + 0x808n, back, null);
    return back.every((byte, i) => byte === word[i]);
  }
}

const samePage = (a: Translation, b: Translation | undefined): boolean =>
  b !== undefined && a.liobn === b.liobn && pageOf(a) === pageOf(b);

const pageOf = (event: Translation): bigint => event.ioba & ~BigInt(event.mask);

const showTranslation = (event: Translation): OpResult => ({
  liobn: hex(event.liobn),
  offset: hex(event.ioba),
  addr: hex(event.tce),
  perm: event.perm,
  mask: hex(event.mask),
});
