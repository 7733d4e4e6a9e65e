import type { PartitionableEndpoint } from "../spapr/endpoint.ts";
import type { Machine } from "../spapr/machine.ts";
import type { Host } from "./host/host.ts";
import type { PassedThroughDevice } from "./passed-through-device.ts";

/** The largest piece that one entry of any table is sure to cover. */
const PIECE = 4096;

/** What a port needs of the machine that its device is in. */
interface PortMachine {
  readonly host: Host;
  readonly machine: Machine;
  reach(device: PassedThroughDevice, iova: bigint, write: boolean): bigint | undefined;
}

/**
 * A passed-through device's way to memory: bus addresses go through the tables of the host. The first access that these refuse
 * freezes the endpoint of its group, and with it all further ones (PAPR-EEH-1).
 *
 * @public
 */
export class PassedThroughPort {
  readonly name: string;
  readonly #machine: PortMachine;
  readonly #device: PassedThroughDevice;

  /** @internal */
  constructor(machine: PortMachine, device: PassedThroughDevice) {
    this.name = device.name;
    this.#machine = machine;
    this.#device = device;
  }

  /** What freezes. */
  get endpoint(): PartitionableEndpoint {
    return this.#machine.host.groups[this.#device.group]!.iommu.endpoint;
  }

  /** DMA from memory; false if any byte was refused, and those are 0. */
  read(address: bigint, into: Uint8Array): boolean {
    return this.#transfer(address, into, false);
  }

  /** DMA to memory; false if any byte was refused, and those are dropped. */
  write(address: bigint, from: Uint8Array): boolean {
    return this.#transfer(address, from, true);
  }

  #transfer(address: bigint, bytes: Uint8Array, write: boolean): boolean {
    const { systemMemory } = this.#machine.machine;
    let isWhole = true;
    for (let done = 0; done < bytes.length; ) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const end = Math.min(bytes.length, done + PIECE - Number(at % BigInt(PIECE)));
      const piece = bytes.subarray(done, end);
      const target = this.endpoint.stopsDma ? undefined : this.#machine.reach(this.#device, at, write);
      if (target === undefined) {
        isWhole = false;
        if (!write) piece.fill(0);
        if (!this.endpoint.stopsDma) this.#refuse(at, piece.length, write);
      } else if (write) {
        systemMemory.write(target, piece, null);
      } else {
        systemMemory.read(target, piece, null);
      }
      done = end;
    }
    return isWhole;
  }

  #refuse(iova: bigint, bytes: number, write: boolean): void {
    this.endpoint.freeze();
    const { name, phb } = this.#device;
    this.#machine.machine.memory.onDmaFault?.({
      who: name,
      addressSpace: phb.name,
      write,
      iova,
      bytes,
      reason: "unmapped",
      region: undefined,
      address: iova,
    });
  }
}
