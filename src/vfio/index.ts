/**
 * The host side: machines on a host whose devices they have, containers as QEMU's VFIO listener sees them, and the check
 * that all views of every mapping agree.
 *
 * @module
 */

export type { Errno } from "../base/errno.ts";
export { Coherence, type Incoherence } from "./coherence.ts";
export type { ContainerConfig, ContainerKind } from "./connect-context.ts";
export type { DmaContainer } from "./container.ts";
export type { DmaRun } from "./dma-run.ts";
export type { GuestMemory } from "./guest-memory.ts";
export type { FaultHook, FaultPoint } from "./host/faults.ts";
export { KERNEL_PROFILES, type KernelProfile, LINUX_6_1, LINUX_6_12 } from "./host/profile.ts";
export {
  HostedMachine,
  type HostedMachineConfig,
  type PlugResult,
} from "./hosted-machine.ts";
export { type ListenerOptions, VfioListener } from "./listener.ts";
export type { PassedThroughDevice } from "./passed-through-device.ts";
export { PassedThroughPort } from "./passed-through-port.ts";
export {
  acceptingServer,
  type DmaMessage,
  type DmaServer,
  type OrderedMessage,
  StrictServer,
  VfioUserContainer,
} from "./vfio-user-container.ts";
