/**
 * The host side: QEMU's VFIO listener and containers, the kernel behind them,
 * and machines on a host.
 *
 * @module
 */

export * from "./coherence.ts";
export type { ContainerConfig, ContainerKind } from "./connect-context.ts";
export * from "./container.ts";
export { Host, type HostOptions } from "./host/host.ts";
export * from "./host/profile.ts";
export * from "./hosted-machine.ts";
export * from "./listener.ts";
export { Type1Container } from "./type1-container.ts";
export * from "./vfio-user-container.ts";
