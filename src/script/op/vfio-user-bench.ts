import { IommuError } from "../../base/errors.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { Operation } from "../../formats/op-script/operation.ts";
import type { Machine } from "../../spapr/machine.ts";
import { PciDevice } from "../../spapr/pci-device.ts";
import { VfioListener } from "../../vfio/listener.ts";
import {
  acceptingServer,
  type DmaMessage,
  type OrderedMessage,
  StrictServer,
  VfioUserContainer,
} from "../../vfio/vfio-user-container.ts";
import type { OpResult } from "./result.ts";

/** Messages of one operation; a list of 512 TCEs sends 1024 to a device. */
const MAX_MESSAGES: number = 2 ** 18;

/** QEMU's answer to every DMA_READ and DMA_WRITE that it cannot carry out: ENODEV. */
const ENODEV = 19;

interface PluggedDevice {
  readonly pci: PciDevice;
  readonly phb: number;
  readonly slot: number;
  readonly listener: VfioListener;
}

/**
 * The vfio-user devices of a recording: plugged into bridges, each with a
 * listener on the bridge's address space that sends DMA_MAP and DMA_UNMAP.
 */
export class VfioUserBench {
  readonly #machine: Machine;
  readonly #devices = new Map<string, PluggedDevice>();
  #sent: OrderedMessage[] = [];
  /** An operation sent too many messages: the script ends here. */
  #isStopped = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  add(operation: Extract<Operation, { op: "device_add" }>): OpResult {
    const { id, phb, slot, strict } = operation;
    if (this.#devices.has(id)) return { error: `Duplicate device ID '${id}'` };
    for (const other of this.#devices.values()) {
      if (other.phb === phb && other.slot === slot) {
        return { error: `PCI: slot ${slot} already occupied by vfio-user-pci` };
      }
    }
    const bridge = this.#machine.phb(phb);
    const { profile } = this.#machine;
    const container = new VfioUserContainer(
      id,
      strict ? new StrictServer() : acceptingServer,
      profile.vfioRefusedMapStays,
      (message) => this.#send(message),
    );
    const listener = new VfioListener({
      container,
      systemMemory: this.#machine.systemMemory,
      quirks: profile,
    });
    this.#machine.memory.register(listener, bridge.addressSpace);
    listener.initialized = true;
    const pci = new PciDevice(bridge, id);
    pci.setBusMaster(true);
    this.#devices.set(id, { pci, phb, slot, listener });
    return { ok: true };
  }

  /** @throws IommuError LIMIT_EXCEEDED if an operation sends more than a result may have: nobody listens any more */
  #send(message: OrderedMessage): void {
    if (this.#isStopped) return;
    if (this.#sent.length >= MAX_MESSAGES) {
      this.#isStopped = true;
      for (const { listener } of this.#devices.values()) this.#machine.memory.unregister(listener);
      const limit = MAX_MESSAGES;
      throw new IommuError("LIMIT_EXCEEDED", `the operation sends more than ${limit} DMA messages`, {
        limit,
      });
    }
    this.#sent.push(message);
  }

  remove(id: string): OpResult {
    const device = this.#devices.get(id);
    if (device === undefined) return { error: `Device '${id}' not found` };
    this.#machine.memory.unregister(device.listener);
    device.pci.destroy();
    this.#devices.delete(id);
    return { ok: true };
  }

  /** A DMA_READ of the device: all of it or nothing. */
  read(id: string, iova: bigint, length: number): OpResult {
    const data = new Uint8Array(length);
    const errno = this.#carryOut(id, (pci) => pci.read(iova, data));
    return errno === 0 ? { errno, data: toHexBytes(data) } : { errno };
  }

  /** A DMA_WRITE of the device. */
  write(id: string, iova: bigint, data: Uint8Array): OpResult {
    return { errno: this.#carryOut(id, (pci) => pci.write(iova, data)) };
  }

  #carryOut(id: string, transfer: (pci: PciDevice) => number): number {
    const device = this.#devices.get(id);
    return device !== undefined && transfer(device.pci) === 0 ? 0 : ENODEV;
  }

  /**
   * The messages of the last operation, in the order of the recordings: those
   * of a hypercall page by page over all devices, those of all else device by device.
   */
  takeMessages(operation: Operation): DmaMessage[] {
    const sent = this.#sent;
    this.#sent = [];
    const byPage = operation.op.startsWith("h_") || operation.op === "hcall";
    sent.sort((a, b) => (byPage ? compare(a.page, b.page) : compare(a.message.dev, b.message.dev)));
    return sent.map(({ message }) => message);
  }
}

const compare = <T extends bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);
