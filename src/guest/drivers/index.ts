/**
 * Drivers of a Linux guest, and the devices that they drive: bytes move by bus addresses, through the IOMMU.
 *
 * @module
 */

export { attachDisk, attachGpu, attachNetworkCard, type DeviceOptions, type DrivenDevice } from "./attach.ts";
export { BlockDevice } from "./block-device.ts";
export { BlockDriver, type BlockResult } from "./block-driver.ts";
export { NvmeStatus } from "./block-protocol.ts";
export { type DevicePort, DeviceRegisters, emulatedPort } from "./device-port.ts";
export { DmaLog } from "./dma-log.ts";
export { type CoherentMemory, DriverDma, type DriverOptions, type MappedList } from "./driver-dma.ts";
export { type EehDriver, type EehOptions, EehRecovery, type EehState } from "./eeh.ts";
export { GpuDevice } from "./gpu-device.ts";
export { type CopyResult, GpuDriver } from "./gpu-driver.ts";
export { KernelMemory } from "./kernel-memory.ts";
export type { DriverMistakes, MistakeCounts } from "./mistakes.ts";
export { NetworkCard } from "./network-card.ts";
export { NetworkDriver } from "./network-driver.ts";
