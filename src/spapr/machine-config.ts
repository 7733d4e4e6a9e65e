import type { GuestRam } from "../memory/guest-ram.ts";
import type { Accelerator } from "./accelerator.ts";
import type { PhbConfig } from "./phb.ts";
import type { Profile } from "./profile.ts";
import type { VioConfig } from "./vio.ts";
import type { ReplayStrategy } from "./window-replay.ts";

/**
 * Memory of a device at an address of its own, such as NVLink2 GPU RAM at 64 TiB.
 *
 * @public
 */
export interface DeviceRamConfig {
  readonly address: bigint;
  readonly sizeBytes: bigint;
}

/**
 * What a machine is made of. Everything has QEMU's default.
 *
 * @public
 */
export interface MachineConfig {
  /** Bytes of memory from address 0; default 256 MiB. */
  readonly ramSize?: bigint;
  /** Bridges; the default is one with index 0. */
  readonly phbs?: readonly PhbConfig[];
  readonly vio?: readonly VioConfig[];
  readonly deviceRam?: readonly DeviceRamConfig[];
  /** Name of a profile or a profile; default `qemu-7.2`. */
  readonly profile?: string | Profile;
  readonly replayStrategy?: ReplayStrategy;
  /** @internal Makes the accelerator of the machine; without one it runs under TCG. */
  readonly accelerator?: (ram: GuestRam) => Accelerator;
}
