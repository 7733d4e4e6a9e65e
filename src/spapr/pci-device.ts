import { AddressSpace, TxResult } from "../memory/address-space.ts";
import { MemoryRegion, WHOLE_SPACE } from "../memory/memory-region.ts";
import type { PartitionableEndpoint } from "./endpoint.ts";
import type { PciHostBridge } from "./phb.ts";

/**
 * A PCI device as far as DMA goes: its own address space, which shows the
 * bridge's one while the bus-master bit of the COMMAND register is set (QEMU-DMA-4).
 *
 * @public
 */
export class PciDevice {
  readonly name: string;
  readonly addressSpace: AddressSpace;
  /** `bus << 16 | devfn << 8`. */
  readonly configAddress: number;
  readonly #phb: PciHostBridge;
  readonly #alias: MemoryRegion;

  constructor(phb: PciHostBridge, name: string, configAddress = 0) {
    this.name = name;
    this.configAddress = configAddress;
    this.#phb = phb;
    phb.addFunction(configAddress);
    const { memory } = phb.env;
    const container = MemoryRegion.container(memory, `bus master container ${name}`);
    this.#alias = MemoryRegion.alias(memory, `bus master ${name}`, phb.addressSpace.root, 0n, WHOLE_SPACE);
    this.#alias.setEnabled(false);
    container.addSubregion(this.#alias, 0n);
    this.addressSpace = new AddressSpace(memory, name, container);
  }

  get busMaster(): boolean {
    return this.#alias.enabled;
  }

  setBusMaster(enabled: boolean): void {
    this.#alias.setEnabled(enabled);
  }

  /** What freezes when the IOMMU refuses an access; null as long as nothing does. */
  get endpoint(): PartitionableEndpoint | null {
    return this.#phb.endpoint;
  }

  /** DMA from memory at a bus address; see {@link AddressSpace.read}. */
  read(iova: bigint, into: Uint8Array): number {
    if (this.endpoint?.stopsDma) {
      into.fill(0);
      return TxResult.DECODE_ERROR;
    }
    return this.#judged(this.addressSpace.read(iova, into, this.name));
  }

  /** DMA to memory at a bus address; see {@link AddressSpace.write}. */
  write(iova: bigint, from: Uint8Array): number {
    if (this.endpoint?.stopsDma) return TxResult.DECODE_ERROR;
    return this.#judged(this.addressSpace.write(iova, from, this.name));
  }

  /** A refused access freezes the endpoint (quirk `refusedDmaFreezes`). */
  #judged(result: number): number {
    const { endpoint } = this;
    if (result !== TxResult.OK && endpoint?.enabled) endpoint.freeze();
    return result;
  }

  destroy(): void {
    this.#phb.removeFunction(this.configAddress);
    this.addressSpace.destroy();
  }
}
