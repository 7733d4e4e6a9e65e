import { toBig } from "../../base/u64.ts";
import type { LinuxGuest } from "../linux-guest.ts";
import type { PciFunction } from "../pci-function.ts";
import type { DeviceRegisters } from "./device-port.ts";
import { type CoherentMemory, DriverDma, type DriverOptions } from "./driver-dma.ts";
import { COPY_BYTES, Register } from "./gpu-protocol.ts";

/** Copies that may be under way. */
const ENTRIES = 64;

/**
 * What came of a copy.
 *
 * @public
 */
export type CopyResult = "done" | "refused" | "not-mapped" | "no-answer";

/**
 * A driver of a device that copies memory in bulk. It sets masks of 64 bits, so that Linux gives it a window in which all memory
 * is mapped: up to 128 TiB where a GPU has memory at 64 TiB.
 *
 * @public
 */
export class GpuDriver {
  readonly dma: DriverDma;
  readonly #guest: LinuxGuest;
  readonly #fn: PciFunction;
  readonly #registers: DeviceRegisters;
  #ring: CoherentMemory | undefined;
  #fence: CoherentMemory | undefined;
  #put = 0;
  #errors = 0;

  constructor(guest: LinuxGuest, fn: PciFunction, registers: DeviceRegisters, options: DriverOptions) {
    this.dma = new DriverDma(guest, fn, options);
    this.#guest = guest;
    this.#fn = fn;
    this.#registers = registers;
  }

  /** @returns false if the device cannot have such masks, or memory for its ring */
  start(): boolean {
    if (!this.#guest.setMask(this.#fn, 64) || !this.#guest.setCoherentMask(this.#fn, 64)) return false;
    this.#ring = this.dma.allocCoherent(ENTRIES * COPY_BYTES);
    this.#fence = this.dma.allocCoherent(8);
    if (this.#ring === undefined || this.#fence === undefined) {
      this.stop();
      return false;
    }
    this.#registers.write64(Register.RING, this.#ring.address);
    this.#registers.write64(Register.FENCE, this.#fence.address);
    this.#registers.write(Register.ENTRIES, ENTRIES);
    this.#put = 0;
    this.#errors = this.#registers.read(Register.ERRORS);
    return true;
  }

  stop(): void {
    this.#registers.write(Register.ENTRIES, 0);
    for (const memory of [this.#ring, this.#fence]) if (memory !== undefined) this.dma.freeCoherent(memory);
    this.#ring = undefined;
    this.#fence = undefined;
  }

  /** Copies bytes between physical addresses. */
  copy(from: number, to: number, size: number): CopyResult {
    const { dma } = this;
    if (this.#ring === undefined || this.#fence === undefined) return "no-answer";
    if (!dma.mapPage(from, size, "to-device")) return "not-mapped";
    const [fromHi, fromLo] = [dma.hi, dma.lo];
    if (!dma.mapPage(to, size, "from-device")) {
      dma.unmapPage(fromHi, fromLo, size, "to-device");
      return "not-mapped";
    }
    const [toHi, toLo] = [dma.hi, dma.lo];
    const entry = new DataView(new ArrayBuffer(COPY_BYTES));
    entry.setBigUint64(0, toBig(fromHi, fromLo), true);
    entry.setBigUint64(8, toBig(toHi, toLo), true);
    entry.setBigUint64(16, BigInt(size), true);
    dma.memory.write(this.#ring.physical + (this.#put % ENTRIES) * COPY_BYTES, new Uint8Array(entry.buffer));
    this.#put = (this.#put + 1) >>> 0;
    this.#registers.write(Register.PUT, this.#put);
    const result = this.#result(this.#fence);
    dma.unmapPage(toHi, toLo, size, "from-device");
    dma.unmapPage(fromHi, fromLo, size, "to-device");
    return result;
  }

  #result(fence: CoherentMemory): CopyResult {
    const bytes = new Uint8Array(8);
    this.dma.memory.read(fence.physical, bytes);
    const errors = this.#registers.read(Register.ERRORS);
    if (new DataView(bytes.buffer).getBigUint64(0, true) !== BigInt(this.#put)) return "no-answer";
    if (errors === this.#errors) return "done";
    this.#errors = errors;
    return "refused";
  }
}
