/**
 * The engine: guest memory, TCE tables and the sPAPR machine with its DMA windows. Everything here runs in Node and in a
 * browser, without dependencies.
 *
 * Addresses are bytes, as bigints; entries are numbered from 0; a page shift is log2 of a page's bytes. What a guest
 * passes is answered with a status; mistakes of the caller are an {@link IommuError}.
 *
 * @module
 */

export { type ErrorDetails, IommuError, type IommuErrorCode } from "./base/errors.ts";
export type { PageStep } from "./base/page-step.ts";
export { type Permission, permText } from "./base/permission.ts";
export { hex, hex64, hiOf, loOf, toBig } from "./base/u64.ts";
export { formatCount, formatSize, formatTime, parseSize } from "./base/units.ts";
export { AddressSpace, type AddressSpaces, TxResult } from "./memory/address-space.ts";
export { type DmaFault, type DmaFaultReason, formatFault } from "./memory/dma-fault.ts";
export type { DmaTranslator, TargetSpace, TargetView } from "./memory/dma-target.ts";
export type { FlatRange, FlatView } from "./memory/flat-view.ts";
export { GuestRam, MAX_RAM_BYTES, MAX_RESIDENT_BYTES } from "./memory/guest-ram.ts";
export type { IommuHooks, ReplayReport } from "./memory/iommu-hooks.ts";
export { IommuNotifier, NotifierFlag, type NotifierOptions } from "./memory/iommu-notifier.ts";
export { IommuRegion } from "./memory/iommu-region.ts";
export type { IommuTranslation } from "./memory/iommu-translation.ts";
export { forEachPage, type MappingRun } from "./memory/mapping-run.ts";
export {
  type LayoutTransactions,
  type MappedIommu,
  MemoryRegion,
  type RegionBacking,
} from "./memory/memory-region.ts";
export { type MemoryListener, MemorySystem } from "./memory/memory-system.ts";
export type { MmioHandler } from "./memory/mmio-handler.ts";
export type { DeviceTree, DeviceTreeValue } from "./spapr/device-tree.ts";
export type { DmaWindow } from "./spapr/dma-window.ts";
export { EehOp, PartitionableEndpoint, PeState } from "./spapr/endpoint.ts";
export { Machine } from "./spapr/machine.ts";
export type { DeviceRamConfig, MachineConfig } from "./spapr/machine-config.ts";
export type {
  Hazard,
  RecordValues,
  Refusal,
  RuleId,
  RuleSource,
  SpaprObserver,
} from "./spapr/observer.ts";
export { Hcall, HStatus, hStatusName, pciLiobn, RtasStatus, RtasToken } from "./spapr/papr.ts";
export { PciDevice } from "./spapr/pci-device.ts";
export type { EehAccess, PciHostBridge, PhbConfig } from "./spapr/phb.ts";
export { DEFAULT_PROFILE, findProfile, PROFILES, type Profile } from "./spapr/profile.ts";
export { HcallRegisters } from "./spapr/registers.ts";
export { MAX_RTAS_CELLS } from "./spapr/rtas-block.ts";
export { loadTables, type SavedGeometry, type SavedTable, saveTables } from "./spapr/saved-table.ts";
export { formatTraceEvent, type TraceEvent } from "./spapr/trace-events.ts";
export type { VioBus, VioConfig, VioDevice } from "./spapr/vio.ts";
export type { WindowGeometry } from "./spapr/window-geometry.ts";
export type { ReplayStrategy } from "./spapr/window-replay.ts";
export { type ChangeVisitor, diff } from "./tce/diff.ts";
export type { RawRunVisitor } from "./tce/run.ts";
export type { RunVisitor } from "./tce/run-joiner.ts";
export { permOf, TCE_READ, TCE_WRITE } from "./tce/tce.ts";
export { TceTable } from "./tce/tce-table.ts";
export type { TceTableShape, TceView } from "./tce/tce-view.ts";
