/**
 * Linux as a guest of a machine: the windows that it sets up, and the DMA API that its drivers have.
 *
 * @module
 */

export { DeviceDma, type DmaSegment } from "./device-dma.ts";
export { type DeviceModel, PCI_MODELS } from "./device-models.ts";
export type { MemoryRange } from "./direct-map.ts";
export * from "./drivers/index.ts";
export type { RowLimits } from "./entry-bitmap.ts";
export { GuestWindow, OwnWindow } from "./guest-window.ts";
export { type DeviceLimits, IommuTable, type TableLimits } from "./iommu-table.ts";
export { type BootKind, LinuxGuest, type LinuxGuestConfig } from "./linux-guest.ts";
export { findKernel, LINUX_KERNELS, type LinuxKernel } from "./linux-kernel.ts";
export type { MemoryLayout } from "./memory-layout.ts";
export { PciFunction } from "./pci-function.ts";
export type { Buffer, DmaDirection } from "./table-dma.ts";
