import type { MmioHandler } from "../../memory/mmio-handler.ts";
import type { DevicePort } from "./device-port.ts";
import { BURST_BYTES, COPY_BYTES, Register } from "./gpu-protocol.ts";

/**
 * A device that copies memory in bulk, as a GPU's copy engine does: from one bus address to another, of all 64 bits. A copy of
 * which the IOMMU refuses a part ends there, and counts as an error.
 *
 * @public
 */
export class GpuDevice implements MmioHandler {
  /** Bytes that were copied. */
  copied = 0;
  readonly #port: DevicePort;
  readonly #registers = new DataView(new ArrayBuffer(0x20));
  /** Copies that were taken from the ring, modulo 2^32. */
  #taken = 0;

  constructor(port: DevicePort) {
    this.#port = port;
  }

  /** A reset of the bus: no ring. */
  reset(): void {
    new Uint8Array(this.#registers.buffer).fill(0);
    this.#taken = 0;
  }

  read(offset: bigint): bigint {
    return offset <= 0x1cn ? BigInt(this.#registers.getUint32(Number(offset), true)) : 0n;
  }

  write(offset: bigint, _bytes: number, value: bigint): void {
    if (offset > BigInt(Register.PUT)) return;
    this.#registers.setUint32(Number(offset), Number(value), true);
    if (offset === BigInt(Register.ENTRIES)) {
      this.#taken = 0;
      this.#registers.setUint32(Register.PUT, 0, true);
    }
    if (offset === BigInt(Register.PUT)) this.#work(Number(value));
  }

  #work(put: number): void {
    const entries = this.#registers.getUint32(Register.ENTRIES, true);
    if (entries === 0 || (put - this.#taken) >>> 0 > entries) return;
    while (this.#taken !== put) {
      const place = this.#address(Register.RING) + BigInt((this.#taken % entries) * COPY_BYTES);
      const bytes = new Uint8Array(COPY_BYTES);
      if (!this.#port.read(place, bytes)) {
        this.#fail();
        return;
      }
      const entry = new DataView(bytes.buffer);
      const [from, to, size] = [0, 8, 16].map((at) => entry.getBigUint64(at, true)) as [
        bigint,
        bigint,
        bigint,
      ];
      if (!this.#copy(from, to, Number(size))) this.#fail();
      this.#taken = (this.#taken + 1) >>> 0;
    }
    const fence = new Uint8Array(8);
    new DataView(fence.buffer).setBigUint64(0, BigInt(this.#taken), true);
    if (!this.#port.write(this.#address(Register.FENCE), fence)) this.#fail();
  }

  #copy(from: bigint, to: bigint, size: number): boolean {
    const burst = new Uint8Array(Math.min(size, BURST_BYTES));
    for (let done = 0; done < size; ) {
      const piece = burst.subarray(0, Math.min(BURST_BYTES, size - done));
      if (!this.#port.read(from + BigInt(done), piece)) return false;
      if (!this.#port.write(to + BigInt(done), piece)) return false;
      done += piece.length;
      this.copied += piece.length;
    }
    return true;
  }

  #address(register: number): bigint {
    return this.#registers.getBigUint64(register, true);
  }

  #fail(): void {
    this.#registers.setUint32(Register.ERRORS, this.#registers.getUint32(Register.ERRORS, true) + 1, true);
  }
}
