import { AddressSpace } from "../memory/address-space.ts";
import { MemoryRegion, WHOLE_SPACE } from "../memory/memory-region.ts";
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
  readonly #alias: MemoryRegion;

  constructor(phb: PciHostBridge, name: string) {
    this.name = name;
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

  /** DMA from memory at a bus address; see {@link AddressSpace.read}. */
  read(iova: bigint, into: Uint8Array): number {
    return this.addressSpace.read(iova, into, this.name);
  }

  /** DMA to memory at a bus address; see {@link AddressSpace.write}. */
  write(iova: bigint, from: Uint8Array): number {
    return this.addressSpace.write(iova, from, this.name);
  }

  destroy(): void {
    this.addressSpace.destroy();
  }
}
