import { IommuError } from "../../base/errors.ts";
import { freeSlot, type PciDeviceDescription } from "./machine-description.ts";
import { isPciBridge } from "./pci-models.ts";
import type { QemuProperties } from "./qemu-properties.ts";

const SLOTS = 32;

/** A bus, and what stands on it. */
interface PciBus {
  readonly name: string;
  /** Index of the host bridge. */
  readonly bridge: number;
  readonly devices: Placed[];
}

/** A device on a bus; the bus behind it is that of a PCI bridge. */
interface Placed {
  readonly model: string;
  readonly id: string | undefined;
  readonly slot: number;
  readonly functionNumber: number;
  readonly behind: PciBus | undefined;
}

/**
 * The PCI buses of a machine, named (QEMU-PCI-1) and filled (QEMU-PCI-2) as QEMU does it, and numbered as it does it for
 * pSeries guests (QEMU-PCI-3).
 */
export class PciBuses {
  readonly #roots: PciBus[] = [];
  readonly #buses = new Map<string, PciBus>();
  /** Buses that have their names from a count. */
  #unnamed = 0;

  /** A host bridge: its bus is `ID.0`, or `pci.N` without an id. */
  addHostBridge(index: number, id: string | undefined): void {
    this.#roots.push(this.#newBus(id === undefined ? undefined : `${id}.0`, index));
  }

  has(name: string): boolean {
    return this.#buses.has(name);
  }

  /**
   * Puts a device on the bus that it names, or on that of the host bridge that came last; into the slot that it names or
   * the first without a device.
   *
   * @throws IommuError BAD_ARGUMENT for a slot that there is not, or that has a device
   */
  add(model: string, device: QemuProperties): void {
    const { values, text } = device;
    const bus = this.#buses.get(values.get("bus") ?? this.#roots.at(-1)!.name)!;
    const addr = values.get("addr");
    const [, slotText, functionText = "0"] = /^(?:0x)?([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(addr ?? "") ?? [];
    if (addr !== undefined && slotText === undefined)
      throw new IommuError("BAD_ARGUMENT", `"${text}": addr=${addr} is no slot`);
    const slot = slotText === undefined ? freeSlot(bus.devices) : Number.parseInt(slotText, 16);
    if (slot >= SLOTS) throw new IommuError("BAD_ARGUMENT", `"${text}": a bus has ${SLOTS} slots`);
    const functionNumber = Number(functionText);
    const other = bus.devices.find((one) => one.slot === slot && one.functionNumber === functionNumber);
    if (other !== undefined) {
      const place = `slot ${slot}, function ${functionNumber} of the bus ${bus.name}`;
      throw new IommuError("BAD_ARGUMENT", `"${text}": ${place} has ${other.model} already`);
    }
    const id = values.get("id");
    const behind = isPciBridge(model) ? this.#newBus(id, bus.bridge) : undefined;
    bus.devices.push({ model, id, slot, functionNumber, behind });
  }

  /** All devices, with the numbers of their buses: a bridge's is the next one when it is met, by slot, depth first. */
  devices(): PciDeviceDescription[] {
    return this.#roots.flatMap((root) => {
      const found: PciDeviceDescription[] = [];
      let last = 0;
      const number = ({ bridge, devices }: PciBus, bus: number): void => {
        for (const { model, id, slot, functionNumber } of devices)
          found.push({ model, id, bridge, bus, slot, functionNumber });
        for (const { behind } of inOrder(devices)) if (behind !== undefined) number(behind, ++last);
      };
      number(root, 0);
      return found;
    });
  }

  #newBus(name: string | undefined, bridge: number): PciBus {
    const bus: PciBus = { name: name ?? `pci.${this.#unnamed++}`, bridge, devices: [] };
    this.#buses.set(bus.name, bus);
    return bus;
  }
}

const inOrder = (devices: readonly Placed[]): Placed[] =>
  [...devices].sort((a, b) => a.slot - b.slot || a.functionNumber - b.functionNumber);
