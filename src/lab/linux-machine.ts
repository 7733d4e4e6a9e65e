import { IommuError } from "../base/errors.ts";
import { formatCount } from "../base/units.ts";
import type {
  MachineDescription,
  MachineStep,
  MemoryModule,
  PciDeviceDescription,
} from "../formats/machine/machine-description.ts";
import { type DeviceModel, PCI_MODELS } from "../guest/device-models.ts";
import type { MemoryRange } from "../guest/direct-map.ts";
import { type BootKind, LinuxGuest } from "../guest/linux-guest.ts";
import { findKernel, type LinuxKernel } from "../guest/linux-kernel.ts";
import type { MemoryLayout } from "../guest/memory-layout.ts";
import { PciFunction } from "../guest/pci-function.ts";
import { bridgeProperties } from "../spapr/device-tree.ts";
import { Machine } from "../spapr/machine.ts";
import type { MachineConfig } from "../spapr/machine-config.ts";
import { recordedProfile } from "../spapr/profile.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";

/** What can be plugged lies from the next multiple of this on. */
const PLUGGED_ALIGNMENT = 2 ** 30;

/**
 * What happens while a machine runs.
 *
 * @public
 */
export interface LinuxMachineObserver {
  /** An event as QEMU's trace has it. */
  readonly trace?: (event: TraceEvent) => void;
  /** A line of the guest's kernel log. */
  readonly log?: (line: string) => void;
}

/** What a description says of the machine itself. */
export const configOfDescription = (description: MachineDescription): MachineConfig => ({
  ramSize: BigInt(description.ramBytes),
  phbs: description.bridges,
  vio: description.vioDevices,
  profile: recordedProfile(description.qemuVersion),
});

/**
 * How a described machine is run.
 *
 * @public
 */
export interface LinuxMachineOptions extends LinuxMachineObserver {
  /** Name or version of the guest's kernel if the description does not say, or says another one. */
  readonly kernel?: string | undefined;
  /** The machine, if it was made already for the description. */
  readonly machine?: Machine;
  /** Devices of the host's that are passed through have a driver that sets masks of 64 bits. */
  readonly assumesDrivers?: boolean;
}

/** A driver that nobody knows, of a device that is passed through. */
const ASSUMED_MODEL = {
  node: "unknown",
  module: "",
  driver: "vfio-pci",
  streamingBits: 64,
  coherentBits: 64,
};

/**
 * A described machine with Linux as its guest: boots, lets the drivers set their masks, and does the steps of the
 * description.
 *
 * @public
 */
export class LinuxMachine {
  readonly machine: Machine;
  readonly kernel: LinuxKernel;
  /** What the model does not follow, in sentences: from there on it says nothing. */
  readonly notFollowed: string[] = [];
  readonly #description: MachineDescription;
  readonly #options: LinuxMachineOptions;
  readonly #modules: readonly string[] | undefined;
  /** Memory modules that are plugged, with where they lie. */
  readonly #dimms = new Map<string, NodeMemory>();
  readonly #plugged: PciDeviceDescription[] = [];
  /** Models by name of the function. */
  readonly #models = new Map<string, string>();
  #guest: LinuxGuest;

  /** @throws IommuError BAD_ARGUMENT if nobody says the kernel; BAD_CONFIG for what makes no machine */
  constructor(description: MachineDescription, options: LinuxMachineOptions = {}) {
    const version = options.kernel ?? description.kernelVersion;
    if (version === undefined)
      throw new IommuError(
        "BAD_ARGUMENT",
        "the description does not say which kernel runs: name it, such as 6.12 (its member kernel, or --kernel)",
      );
    this.kernel = findKernel(version);
    this.#description = description;
    this.#options = options;
    const { modules } = description;
    this.#modules = modules === undefined ? undefined : [...this.kernel.builtInDrivers, ...modules];
    this.machine = options.machine ?? new Machine(configOfDescription(description));
    this.machine.observer.trace = options.trace ?? null;
    for (const dimm of description.dimms) this.#place(dimm);
    this.#guest = this.#start("firmware");
  }

  /** Models of devices whose drivers are assumed, each once. */
  get assumed(): readonly string[] {
    if (this.#options.assumesDrivers !== true) return [];
    return [...new Set(this.#models.values())].filter((model) => PCI_MODELS[model] === undefined);
  }

  /** The bridges' windows and what else the guest knows now. */
  get guest(): LinuxGuest {
    return this.#guest;
  }

  /** Boots, and does all steps up to one that is not known. */
  run(): void {
    this.boot();
    for (const step of this.#description.steps) {
      if (!this.step(step)) return;
    }
  }

  /** The guest finds its windows, and the drivers of its devices set their masks. */
  boot(): void {
    for (const { index, dmaWinSize } of this.#description.bridges) {
      if (dmaWinSize === undefined || BigInt.asUintN(32, dmaWinSize) === dmaWinSize) continue;
      const shown = formatCount(BigInt.asUintN(32, dmaWinSize));
      this.notFollowed.push(
        `bridge ${index}: its default window has ${shown} bytes in the tree, which are not all (QEMU-TREE-2); what Linux makes of that was not recorded`,
      );
    }
    this.#guest.boot();
    const { functions } = this.#guest;
    const modules = this.#modules ?? [...new Set(functions.map((fn) => this.#modelOf(fn)?.module ?? ""))];
    for (const module of modules) {
      for (const fn of functions) if (this.#modelOf(fn)?.module === module) this.#probe(fn);
    }
  }

  /** The driver of a function says what the device can address. */
  #probe(fn: PciFunction): void {
    const { driver, streamingBits, coherentBits } = this.#modelOf(fn)!;
    fn.driver = driver;
    if (this.#guest.setMask(fn, streamingBits)) this.#guest.setCoherentMask(fn, coherentBits);
  }

  /**
   * Something that happens to the machine.
   *
   * @returns false for a step that is not known
   */
  step(step: MachineStep): boolean {
    const guest = this.#guest;
    const { machine } = this;
    switch (step.kind) {
      case "reset":
        machine.reset();
        this.#guest = this.#start("firmware");
        this.boot();
        return true;
      case "kexec":
        this.#guest = this.#start("kexec", step.losesWindows);
        this.boot();
        return true;
      case "crash":
        this.#guest = this.#start("kdump");
        this.boot();
        return true;
      case "plug-memory":
        guest.addMemory(this.#place(step));
        return true;
      case "unplug-memory": {
        guest.removeMemory(this.#dimms.get(step.id)!);
        this.#dimms.delete(step.id);
        return true;
      }
      case "plug-bridge": {
        const phb = machine.plugPhb(step.bridge);
        guest.addBridge(phb.name, bridgeProperties(phb));
        return true;
      }
      case "unplug-bridge":
        guest.removeBridge(step.index);
        machine.unplugPhb(machine.phb(step.index));
        return true;
      case "plug-device": {
        this.#plugged.push(step.device);
        const fn = this.#functionOf(step.device);
        guest.addFunction(fn);
        const module = this.#modelOf(fn)?.module;
        if (module !== undefined && this.#modules?.includes(module) !== false) this.#probe(fn);
        return true;
      }
      case "set-masks": {
        const fn = guest.functions.find(({ name }) => name === step.address);
        if (fn === undefined)
          throw new IommuError("BAD_ARGUMENT", `the machine has no device ${step.address}`);
        if (step.streaming !== undefined) guest.setMask(fn, step.streaming);
        if (step.coherent !== undefined) guest.setCoherentMask(fn, step.coherent);
        return true;
      }
      case "unknown":
        this.notFollowed.push(step.text);
        return false;
    }
  }

  #start(boot: BootKind, losesWindows = false): LinuxGuest {
    const { kernelCommandLine, cpuPageSize } = this.#description;
    const has = (word: string): boolean => kernelCommandLine.split(/\s+/).includes(word);
    const { log } = this.#options;
    return new LinuxGuest(this.machine, {
      kernel: this.kernel,
      memory: this.#memory(),
      functions: this.#functions(boot),
      disableDdw: has("disable_ddw"),
      singleEntries: has("multitce=off"),
      boot,
      ...(cpuPageSize === undefined ? {} : { cpuPageSize }),
      ...(boot === "firmware" || losesWindows ? {} : { inherited: this.#guest.ownWindows }),
      ...(log === undefined ? {} : { log }),
    });
  }

  /** In the order of the tree: by slot from the firmware, by name when kexec-tools wrote the tree. */
  #functions(boot: BootKind): PciFunction[] {
    const functions = [...this.#description.pciDevices, ...this.#plugged].map((device) =>
      this.#functionOf(device),
    );
    const order = (fn: PciFunction): number => (fn.bus << 8) | (fn.slot << 3) | fn.functionNumber;
    const bySlot = functions.sort((a, b) => a.domain - b.domain || order(a) - order(b));
    if (boot === "firmware") return bySlot;
    const byName = (a: PciFunction, b: PciFunction): number =>
      a.node < b.node ? -1 : Number(a.node > b.node);
    return bySlot.sort((a, b) => a.domain - b.domain || a.bus - b.bus || byName(a, b));
  }

  #functionOf({ model, bridge, bus, slot, functionNumber }: PciDeviceDescription): PciFunction {
    const fn = new PciFunction(bridge, slot, functionNumber, PCI_MODELS[model]?.node ?? "unknown", bus);
    this.#models.set(fn.name, model);
    return fn;
  }

  #modelOf(fn: PciFunction): DeviceModel | undefined {
    const model = this.#models.get(fn.name) ?? "";
    return PCI_MODELS[model] ?? (this.#options.assumesDrivers === true ? ASSUMED_MODEL : undefined);
  }

  #memory(): MemoryLayout {
    const { ramBytes, maxRamBytes, qemuVersion, persistentMemory } = this.#description;
    const canPlug = maxRamBytes > ramBytes;
    // QEMU 7.2 says nothing of a machine that nothing can be plugged into (QEMU-TREE-4).
    const isOld = Number.parseInt(qemuVersion ?? "7", 10) < 10;
    const fixed = isOld ? 0 : ramBytes;
    return {
      ram: this.#online(),
      highest: canPlug ? firstPlugged(ramBytes) + maxRamBytes - ramBytes : fixed,
      persistent: persistentMemory,
    };
  }

  /** Memory that is there at a boot: what continues in the same NUMA node is one range (LINUX-DIRECT-2). */
  #online(): MemoryRange[] {
    const { ramBytes, memoryNodes, kernelCommandLine } = this.#description;
    let left = memoryLimit(kernelCommandLine);
    let start = 0;
    const all: NodeMemory[] = (memoryNodes ?? [ramBytes]).map((size, node) => {
      start += size;
      return { start: start - size, size, node };
    });
    all.push(...[...this.#dimms.values()].sort((a, b) => a.start - b.start));
    const ranges: NodeMemory[] = [];
    for (const { start, node, ...memory } of all) {
      const size = Math.min(memory.size, left);
      left -= size;
      const last = ranges.at(-1);
      if (last !== undefined && last.node === node && last.start + last.size === start)
        ranges[ranges.length - 1] = { ...last, size: last.size + size };
      else if (size > 0) ranges.push({ start, size, node });
    }
    return ranges;
  }

  /** Where a memory module lies: the first place that is free. */
  #place({ id, bytes: size, node = 0 }: MemoryModule): MemoryRange {
    let start = firstPlugged(this.#description.ramBytes);
    for (const other of [...this.#dimms.values()].sort((a, b) => a.start - b.start)) {
      if (start + size <= other.start) break;
      start = other.start + other.size;
    }
    const range = { start, size, node };
    this.#dimms.set(id, range);
    return range;
  }
}

/** Bytes of memory that the kernel may use: `mem=` of its command line (LINUX-DIRECT-3). */
function memoryLimit(kernelCommandLine: string): number {
  const [, number, unit = ""] =
    [...kernelCommandLine.matchAll(/(?:^|\s)mem=(0x[0-9a-f]+|\d+)([kmgt]?)(?=\s|$)/gi)].at(-1) ?? [];
  if (number === undefined) return Number.POSITIVE_INFINITY;
  return Number(number) * 1024 ** ["", "k", "m", "g", "t"].indexOf(unit.toLowerCase());
}

/** Memory of a NUMA node. */
interface NodeMemory extends MemoryRange {
  readonly node: number;
}

/** Where memory that is plugged begins. */
export const firstPlugged = (ramBytes: number): number =>
  Math.ceil(ramBytes / PLUGGED_ALIGNMENT) * PLUGGED_ALIGNMENT;
