import { TxResult } from "../../memory/address-space.ts";
import type { MmioHandler } from "../../memory/mmio-handler.ts";
import type { PartitionableEndpoint } from "../../spapr/endpoint.ts";
import type { PciDevice } from "../../spapr/pci-device.ts";

/**
 * How a device reaches memory: by bus addresses, through the IOMMU, which checks each access.
 *
 * @public
 */
export interface DevicePort {
  readonly name: string;
  /** False if any byte was refused; those are 0. */
  read(address: bigint, into: Uint8Array): boolean;
  /** False if any byte was refused; those are dropped. */
  write(address: bigint, from: Uint8Array): boolean;
  /** What is frozen when the device makes an error; null for a device that nothing freezes. */
  readonly endpoint: PartitionableEndpoint | null;
}

/**
 * The port of a device that QEMU emulates.
 *
 * @public
 */
export const emulatedPort = (device: PciDevice): DevicePort => ({
  name: device.name,
  read: (address, into) => device.read(address, into) === TxResult.OK,
  write: (address, from) => device.write(address, from) === TxResult.OK,
  get endpoint() {
    return device.endpoint;
  },
});

/** What registers of 32 bits read as when nothing answers. */
export const ALL_ONES = 0xffff_ffff;

/**
 * A device's registers as a driver reads and writes them.
 *
 * @public
 */
export class DeviceRegisters {
  /** Notified of reads of all ones: is it an error of the bus? (Linux asks its EEH core.) */
  onAllOnes: (() => void) | null = null;
  readonly #port: DevicePort;
  readonly #handler: MmioHandler;

  constructor(port: DevicePort, handler: MmioHandler) {
    this.#port = port;
    this.#handler = handler;
  }

  read(offset: number): number {
    const value = this.#isCutOff ? ALL_ONES : Number(this.#handler.read(BigInt(offset), 4));
    if (value === ALL_ONES) this.onAllOnes?.();
    return value;
  }

  write(offset: number, value: number): void {
    if (!this.#isCutOff) this.#handler.write(BigInt(offset), 4, BigInt(value >>> 0));
  }

  /** Nothing gets to the registers: the endpoint is frozen, or held in reset. */
  get #isCutOff(): boolean {
    return this.#port.endpoint?.stopsIo === true;
  }

  /** Two registers of 32 bits, the low one first. */
  write64(offset: number, value: bigint): void {
    this.write(offset, Number(value & 0xffff_ffffn));
    this.write(offset + 4, Number(value >> 32n));
  }
}
