import { isErrno } from "../base/errno.ts";
import { IommuError } from "../base/errors.ts";
import { KvmAccelerator } from "../kvm/accelerator.ts";
import type { KvmProcess } from "../kvm/ports.ts";
import { VirtualMachine } from "../kvm/virtual-machine.ts";
import type { GuestRam } from "../memory/guest-ram.ts";
import { Machine } from "../spapr/machine.ts";
import type { MachineConfig } from "../spapr/machine-config.ts";
import type { PciHostBridge } from "../spapr/phb.ts";
import type { ContainerConfig } from "./connect-context.ts";
import { connectGroup, disconnect } from "./connect-group.ts";
import type { Connection } from "./connection.ts";
import type { FaultHook } from "./host/faults.ts";
import { Host } from "./host/host.ts";
import type { HostProcess } from "./host/host-process.ts";
import type { KernelProfile } from "./host/profile.ts";
import type { PassedThroughDevice } from "./passed-through-device.ts";
import { PassedThroughPort } from "./passed-through-port.ts";
import { ProcessMemory, RAM_VADDR } from "./process-memory.ts";

/**
 * A machine and the host it runs on.
 *
 * @public
 */
export interface HostedMachineConfig extends Omit<MachineConfig, "accelerator">, ContainerConfig {
  /** Who runs the guest's processors; default `tcg`. */
  readonly accel?: "tcg" | "kvm";
  /** The host has KVM_CAP_SPAPR_TCE_VFIO; default true. */
  readonly kvmTiesTables?: boolean;
  readonly kernel?: KernelProfile;
  /** @internal A host that there is already, on which other machines may run; what is said of a host does not hold then. */
  readonly host?: Host;
  /** IOMMU groups with a device each; default 2. */
  readonly groups?: number;
  /** RLIMIT_MEMLOCK of QEMU's process in bytes; default: no limit (CAP_IPC_LOCK). */
  readonly lockLimit?: bigint;
  /** The most entries a table of the host may have. */
  readonly maxHostEntries?: number;
  /** Makes operations of the host's kernel fail. */
  readonly faults?: FaultHook;
}

/**
 * What came of plugging a device.
 *
 * @public
 */
export type PlugResult =
  | { readonly ok: true; readonly device: PassedThroughDevice }
  | { readonly ok: false; readonly error: string };

/**
 * A pSeries machine in a QEMU process on a PowerNV host: TCG or KVM, devices
 * of the host passed through with VFIO, the kernel's tables behind them.
 *
 * @public
 */
export class HostedMachine {
  /** @internal */
  readonly host: Host;
  /** @internal */
  readonly process: HostProcess;
  readonly machine: Machine;
  /** @internal */
  readonly kvm: KvmAccelerator | null;
  readonly config: HostedMachineConfig;
  /** @internal The guest's memory in QEMU's process. */
  readonly memory: ProcessMemory;
  /** QEMU's messages, newest last; at most 1000. */
  readonly messages: string[] = [];
  readonly #devices: PassedThroughDevice[] = [];
  readonly #connections: Connection[] = [];

  constructor(config: HostedMachineConfig = {}) {
    this.config = config;
    const { ramSize = 0x1000_0000n, accel = "tcg" } = config;
    this.host =
      config.host ??
      new Host({
        groups: config.groups ?? 2,
        // Hosts with a type1 IOMMU are no POWER machines and have small pages.
        pageShift: config.container === "type1v2" ? 12 : 16,
        // Enough for the kernel's own list of the guest's pages.
        memoryBytes: Number(ramSize) * 2 + 2 ** 32,
        ...(config.kernel === undefined ? {} : { profile: config.kernel }),
        ...(config.maxHostEntries === undefined ? {} : { maxEntries: config.maxHostEntries }),
        ...(config.faults === undefined ? {} : { faults: config.faults }),
      });
    this.process = this.host.startProcess();
    const pageShift = config.ramPageShift ?? this.host.pageShift;
    this.process.memory.place(RAM_VADDR, Number(ramSize), { pageShift });
    let kvm: KvmAccelerator | null = null;
    this.machine = new Machine({
      ...config,
      ramSize,
      ...(accel === "kvm" ? { accelerator: (ram) => (kvm = this.#startKvm(ram)) } : {}),
    });
    this.kvm = kvm;
    this.memory = new ProcessMemory(this.process, this.machine.systemMemory);
    this.memory.addRam(this.machine.ram);
    this.#placeDeviceRam();
    // The limit holds for what comes now: a guest's own memory is not locked.
    if (config.lockLimit !== undefined) {
      this.process.lockLimit = config.lockLimit;
      this.process.mayLockAll = false;
    }
  }

  /** Devices that are plugged now. */
  get devices(): readonly PassedThroughDevice[] {
    return this.#devices;
  }

  /** @internal Containers in use, one for each address space. */
  get connections(): readonly Connection[] {
    return this.#connections;
  }

  /** Plugs the device of an IOMMU group into a bridge; on failure nothing has changed, and the reason is returned. */
  plug(group: number, phbIndex = 0, name = `device ${group}`): PlugResult {
    const vfioGroup = this.host.groups[group];
    if (vfioGroup === undefined) {
      throw new IommuError("BAD_ARGUMENT", `the host has no group ${group}`, { group });
    }
    const phb = this.machine.phb(phbIndex);
    const file = vfioGroup.open();
    if (isErrno(file)) return { ok: false, error: `group ${group}: ${file}` };
    const connection = connectGroup(this, phb, file, this.#connections);
    if (typeof connection === "string") {
      file.release();
      return { ok: false, error: connection };
    }
    if (!this.#connections.includes(connection)) this.#connections.push(connection);
    const configAddress = freeSlot(phb);
    const device = { name, group, phb, connection, configAddress };
    this.#devices.push(device);
    phb.addFunction(configAddress);
    this.#setEeh(phb);
    return { ok: true, device };
  }

  /** Takes a device out. The container goes with its last one. */
  unplug(device: PassedThroughDevice): void {
    const at = this.#devices.indexOf(device);
    if (at < 0) throw new IommuError("BAD_ARGUMENT", `${device.name} is not plugged`, { name: device.name });
    this.#devices.splice(at, 1);
    if (disconnect(this, device.connection, device.group)) {
      this.#connections.splice(this.#connections.indexOf(device.connection), 1);
    }
    device.phb.removeFunction(device.configAddress);
    this.#setEeh(device.phb);
  }

  /** EEH is for a bridge with exactly one container, which has exactly one group (QEMU-EEH-2). */
  #setEeh(phb: PciHostBridge): void {
    const [connection, ...others] = this.#connections.filter((one) => one.phb === phb);
    const iommu = connection?.kernel?.object.iommu;
    const isAlone = iommu != null && others.length === 0 && connection!.groups.size === 1;
    phb.eeh = isAlone
      ? {
          operate: (op) => iommu.eeh(this.process, { op }),
          serves: (configAddress) =>
            this.#devices.some(
              (device) => device.phb === phb && device.configAddress === (configAddress & 0xff_ff00),
            ),
        }
      : phb.emulatedEeh;
  }

  /** Where a device gets in guest memory: the guest address, or undefined where the host refuses. */
  reach(device: PassedThroughDevice, iova: bigint, write: boolean): bigint | undefined {
    const vaddr = device.connection.translate(this.host, device.group, iova, write);
    return vaddr === undefined ? undefined : this.memory.guestMemoryAt(vaddr)?.address;
  }

  /** How a device that is passed through reaches the guest's memory, with all that the host's bridge refuses. */
  portOf(device: PassedThroughDevice): PassedThroughPort {
    return new PassedThroughPort(this, device);
  }

  report(message: string): void {
    this.messages.push(message);
    if (this.messages.length > 1000) this.messages.shift();
  }

  #startKvm(ram: GuestRam): KvmAccelerator {
    const process: KvmProcess = {
      charge: (pages) => this.process.charge(pages),
      uncharge: (pages) => this.process.uncharge(pages),
      loadBigEndian: (vaddr, words, count) => {
        const offset = vaddr - RAM_VADDR;
        if (offset + count * 8 > Number(ram.sizeBytes)) return 0;
        ram.readCells(offset, words, count * 2);
        // A cell each for the high and the low half, in the order of memory.
        return count;
      },
    };
    const vm = new VirtualMachine({ process, hostPageShift: this.host.pageShift });
    vm.slots.set({ slot: 0, address: 0n, size: ram.sizeBytes, vaddr: BigInt(RAM_VADDR) });
    // QEMU ties tables for version 2 only; with another container a tied-less kernel table would hide
    // changes from it, so tables have to be in user space there.
    const ties = (this.config.kvmTiesTables ?? true) && (this.config.container ?? "spapr-v2") === "spapr-v2";
    return new KvmAccelerator(vm, ties);
  }

  /** Memory of devices is the host driver's, which registers it; KVM has a slot for each piece. */
  #placeDeviceRam(): void {
    const { ranges } = this.machine.systemMemory.view;
    const sections = ranges.filter(({ region }) => region.backing.kind === "ram" && region.backing.device);
    sections.forEach(({ region, address }, i) => {
      const { vaddr, size } = this.memory.addDeviceRam(region.ram!);
      this.process.memory.registered.create(vaddr, size, this.host.profile);
      this.kvm?.vm.slots.set({ slot: i + 1, address, size: BigInt(size), vaddr: BigInt(vaddr) });
    });
  }
}

/** The first slot of a bridge that has no function yet. */
function freeSlot(phb: PciHostBridge): number {
  let slot = 0;
  while (phb.hasFunction(slot << 11)) slot++;
  return slot << 11;
}
