import { isErrno } from "../base/errno.ts";
import { IommuError } from "../base/errors.ts";
import { KvmAccelerator } from "../kvm/accelerator.ts";
import type { KvmProcess } from "../kvm/ports.ts";
import { VirtualMachine } from "../kvm/virtual-machine.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { GuestRam } from "../memory/guest-ram.ts";
import { Machine, type MachineConfig } from "../spapr/machine.ts";
import type { PciHostBridge } from "../spapr/phb.ts";
import { type ConnectContext, type Connection, connectGroup, disconnect } from "./connection.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { FaultHook } from "./host/faults.ts";
import { Host } from "./host/host.ts";
import type { HostProcess } from "./host/host-process.ts";
import type { KernelProfile } from "./host/profile.ts";

/** Kinds of containers, as QEMU prefers them. */
export type ContainerKind = "type1v2" | "spapr-v2" | "spapr-v1";

/** A machine and the host it runs on. */
export interface HostedMachineConfig extends Omit<MachineConfig, "accelerator"> {
  /** Who runs the guest's processors; default `tcg`. */
  readonly accel?: "tcg" | "kvm";
  /** The host has KVM_CAP_SPAPR_TCE_VFIO; default true. */
  readonly kvmTiesTables?: boolean;
  /** What the host offers; default `spapr-v2`. */
  readonly container?: ContainerKind;
  readonly kernel?: KernelProfile;
  /** IOMMU groups with a device each; default 2. */
  readonly groups?: number;
  /** RLIMIT_MEMLOCK of QEMU's process in bytes; default: no limit (CAP_IPC_LOCK). */
  readonly lockLimit?: bigint;
  /** log2 of the pages behind the guest's memory: 16 (default), or 24 for huge pages. */
  readonly ramPageShift?: number;
  /** The most entries a table of the host may have. */
  readonly maxHostEntries?: number;
  /** Keep what a check of coherence needs ({@link Coherence}); off by default, and free then. */
  readonly coherence?: boolean;
  /** Makes operations of the host's kernel fail. */
  readonly faults?: FaultHook;
  /**
   * Replays a window when the first change of it is heard, instead of at once:
   * the idea that the seed change had to discard.
   */
  readonly lazyReplay?: boolean;
}

/** A device of the host that the guest has. */
export interface PassedThroughDevice {
  readonly name: string;
  /** Number of its IOMMU group. */
  readonly group: number;
  readonly phb: PciHostBridge;
  readonly connection: Connection;
}

/** What came of plugging a device. */
export type PlugResult =
  | { readonly ok: true; readonly device: PassedThroughDevice }
  | { readonly ok: false; readonly error: string };

/** A piece of guest memory: in QEMU's process, and in the host. */
interface MemoryPiece {
  readonly vaddr: number;
  readonly physical: number;
  readonly size: number;
}

/** Where QEMU's process has the guest's memory. */
const RAM_VADDR = 2 ** 44;
/** Memory of devices lies behind it, each piece on a boundary of its own. */
const DEVICE_RAM_VADDR = 2 ** 50;

/**
 * A pSeries machine in a QEMU process on a PowerNV host: TCG or KVM, devices
 * of the host passed through with VFIO, the kernel's tables behind them.
 */
export class HostedMachine {
  readonly host: Host;
  readonly process: HostProcess;
  readonly machine: Machine;
  readonly kvm: KvmAccelerator | null;
  readonly config: HostedMachineConfig;
  /** QEMU's messages, newest last; at most 1000. */
  readonly messages: string[] = [];
  readonly #devices: PassedThroughDevice[] = [];
  readonly #connections: Connection[] = [];
  readonly #pieces = new Map<GuestRam, MemoryPiece>();
  readonly #context: ConnectContext;

  constructor(config: HostedMachineConfig = {}) {
    this.config = config;
    const { ramSize = 0x1000_0000n, deviceRam = [], accel = "tcg" } = config;
    this.host = new Host({
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
    const physical = this.#place(RAM_VADDR, Number(ramSize), pageShift);
    let kvm: KvmAccelerator | null = null;
    this.machine = new Machine({
      ...config,
      ramSize,
      ...(accel === "kvm" ? { accelerator: (ram) => (kvm = this.#startKvm(ram)) } : {}),
    });
    this.kvm = kvm;
    this.#pieces.set(this.machine.ram, { vaddr: RAM_VADDR, physical, size: Number(ramSize) });
    this.#placeDeviceRam(deviceRam.map(({ sizeBytes }) => sizeBytes));
    // The limit holds for what comes now: a guest's own memory is not locked.
    if (config.lockLimit !== undefined) {
      this.process.lockLimit = config.lockLimit;
      this.process.mayLockAll = false;
    }
    this.#context = {
      hosted: this,
      vaddrOf: (memoryPiece) => this.vaddrOf(memoryPiece),
      report: (message) => this.report(message),
    };
  }

  /** Devices that are plugged now. */
  get devices(): readonly PassedThroughDevice[] {
    return this.#devices;
  }

  /** Containers in use, one for each address space. */
  get connections(): readonly Connection[] {
    return this.#connections;
  }

  /** Plugs the device of an IOMMU group into a bridge; on failure nothing has changed, and the reason is told. */
  plug(group: number, phbIndex = 0, name = `device ${group}`): PlugResult {
    const vfioGroup = this.host.groups[group];
    if (vfioGroup === undefined) {
      throw new IommuError("BAD_ARGUMENT", `the host has no group ${group}`, { group });
    }
    const phb = this.machine.phb(phbIndex);
    const file = vfioGroup.open();
    if (isErrno(file)) return { ok: false, error: `group ${group}: ${file}` };
    const connection = connectGroup(this.#context, phb, file, this.#connections);
    if (typeof connection === "string") {
      file.release();
      return { ok: false, error: connection };
    }
    if (!this.#connections.includes(connection)) this.#connections.push(connection);
    const device = { name, group, phb, connection };
    this.#devices.push(device);
    return { ok: true, device };
  }

  /** Takes a device out. The container goes with its last one. */
  unplug(device: PassedThroughDevice): void {
    const at = this.#devices.indexOf(device);
    if (at < 0) throw new IommuError("BAD_ARGUMENT", `${device.name} is not plugged`, { name: device.name });
    this.#devices.splice(at, 1);
    if (disconnect(this.#context, device.connection, device.group)) {
      this.#connections.splice(this.#connections.indexOf(device.connection), 1);
    }
  }

  /** Where a device gets in guest memory: the guest address, or undefined where the host refuses. */
  reach(device: PassedThroughDevice, iova: bigint, write: boolean): bigint | undefined {
    const vaddr = device.connection.translate(this, device.group, iova, write);
    return vaddr === undefined ? undefined : this.guestMemoryAt(vaddr)?.address;
  }

  /** Address in the process of guest memory. */
  vaddrOf(memory: GuestMemory): bigint {
    return BigInt(this.#pieces.get(memory.ram)!.vaddr) + memory.offset;
  }

  /** Guest address of an address in the process, and how many bytes follow it there; undefined if it is not the guest's. */
  guestMemoryAt(vaddr: bigint): { readonly address: bigint; readonly size: bigint } | undefined {
    for (const range of this.machine.systemMemory.view.ranges) {
      const piece = range.region.ram === null ? undefined : this.#pieces.get(range.region.ram);
      if (piece === undefined) continue;
      const offset = vaddr - BigInt(piece.vaddr) - range.offsetInRegion;
      if (offset >= 0n && offset < range.size)
        return { address: range.address + offset, size: range.size - offset };
    }
    return undefined;
  }

  /** Address in the process of an address of the host's memory, or undefined if that is not the guest's. */
  vaddrOfPhysical(physical: number): bigint | undefined {
    for (const piece of this.#pieces.values()) {
      const offset = physical - piece.physical;
      if (offset >= 0 && offset < piece.size) return BigInt(piece.vaddr + offset);
    }
    return undefined;
  }

  /** Address in the process of a section of guest memory. */
  vaddrOfSection(section: FlatRange): bigint {
    return BigInt(this.#pieces.get(section.region.ram!)!.vaddr) + section.offsetInRegion;
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

  /**
   * Memory of devices is the host driver's: it is mapped into the process and
   * registered by that driver, not by QEMU's listener, which leaves it out.
   */
  #placeDeviceRam(sizes: readonly bigint[]): void {
    const { ranges } = this.machine.systemMemory.view;
    const pieces = ranges.filter(({ region }) => region.backing.kind === "ram" && region.backing.device);
    let vaddr = DEVICE_RAM_VADDR;
    sizes.forEach((bytes, i) => {
      const size = Number(bytes);
      const physical = this.#place(vaddr, size, this.host.pageShift);
      this.process.memory.registered.create(vaddr, size, this.host.profile);
      this.#pieces.set(pieces[i]!.region.ram!, { vaddr, physical, size });
      const { address } = pieces[i]!;
      const slot = { slot: i + 1, address, size: bytes, vaddr: BigInt(vaddr) };
      this.kvm?.vm.slots.set(slot);
      vaddr += Math.ceil(size / 2 ** 40) * 2 ** 40;
    });
  }

  /** Maps fresh memory into the process; answers where it lies in the host. */
  #place(vaddr: number, size: number, pageShift: number): number {
    const { memory } = this.process;
    memory.place(vaddr, size, { pageShift });
    return memory.pin(vaddr, size)[0]!.physical;
  }
}
