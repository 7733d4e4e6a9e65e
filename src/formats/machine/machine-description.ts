import type { PhbConfig } from "../../spapr/phb.ts";
import type { VioConfig } from "../../spapr/vio.ts";

/**
 * A PCI device of a machine.
 *
 * @public
 */
export interface PciDeviceDescription {
  /** QEMU's name of the model. */
  readonly model: string;
  readonly id: string | undefined;
  /** Index of its bridge. */
  readonly bridge: number;
  /** 0 for the host bridge's own; others are behind PCI bridges. */
  readonly bus: number;
  readonly slot: number;
  readonly functionNumber: number;
}

/**
 * A memory module, which can be plugged and unplugged.
 *
 * @public
 */
export interface MemoryModule {
  readonly id: string;
  readonly bytes: number;
  /** Its NUMA node; by default 0. */
  readonly node?: number | undefined;
}

/**
 * Something that happens to a machine after its boot, and that windows may depend on.
 *
 * @public
 */
export type MachineStep =
  | { readonly kind: "reset" }
  /** With `losesWindows` the new kernel's tree does not have the properties of windows that the old one made. */
  | { readonly kind: "kexec"; readonly losesWindows?: boolean | undefined }
  | { readonly kind: "crash" }
  | ({ readonly kind: "plug-memory" } & MemoryModule)
  | { readonly kind: "unplug-memory"; readonly id: string }
  | { readonly kind: "plug-bridge"; readonly bridge: PhbConfig }
  | { readonly kind: "unplug-bridge"; readonly index: number }
  | { readonly kind: "plug-device"; readonly device: PciDeviceDescription }
  | {
      readonly kind: "set-masks";
      /** `0000:00:01.0`. */
      readonly address: string;
      /** Bits; undefined for a mask that is not set. */
      readonly streaming: number | undefined;
      readonly coherent: number | undefined;
    }
  /** What windows depend on and no model knows: what follows cannot be told. */
  | { readonly kind: "unknown"; readonly text: string };

/**
 * A pSeries machine: what its command line, or somebody else, says of it.
 *
 * @public
 */
export interface MachineDescription {
  /**
   * Version of QEMU, such as `7.2.22`; where only the machine type is known, the first one that has it. Undefined if nobody
   * says, or only an old type does.
   */
  readonly qemuVersion: string | undefined;
  /** Bytes of memory at address 0. */
  readonly ramBytes: number;
  /** Bytes that it can have with what can be plugged; {@link ramBytes} without slots. */
  readonly maxRamBytes: number;
  /** {@link ramBytes} by NUMA node, in order of addresses; undefined if all is of one node. */
  readonly memoryNodes?: readonly number[] | undefined;
  readonly bridges: readonly PhbConfig[];
  readonly pciDevices: readonly PciDeviceDescription[];
  readonly vioDevices: readonly VioConfig[];
  /** Bytes of memory modules that are there from the start, beside {@link ramBytes}. */
  readonly dimms: readonly MemoryModule[];
  /** Is there persistent memory (NVDIMM)? */
  readonly persistentMemory: boolean;
  readonly accelerator: "tcg" | "kvm";
  /** Bytes of a page of the guest's processors; undefined if nobody says. */
  readonly cpuPageSize: number | undefined;
  /** Version of the guest's kernel, such as `6.12.107`; undefined if nobody says. */
  readonly kernelVersion: string | undefined;
  /** The guest's kernel command line. */
  readonly kernelCommandLine: string;
  /** Modules that the guest loads, in this order; undefined if nobody says: all that its devices need. */
  readonly modules: readonly string[] | undefined;
  readonly steps: readonly MachineStep[];
  /** What was left out and what contradicts itself, in sentences. */
  readonly remarks: readonly string[];
}

/** The first slot of a bus on which none of its devices stands (QEMU-PCI-2). */
export function freeSlot(devices: readonly { readonly slot: number }[]): number {
  let slot = 0;
  while (devices.some((other) => other.slot === slot)) slot++;
  return slot;
}
