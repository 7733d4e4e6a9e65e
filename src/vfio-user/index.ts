/**
 * vfio-user devices, both ends: a client behind the IOMMU of a machine that checks each DMA, and a server for PCI devices
 * written in TypeScript. Streams of bytes are the caller's: sockets are in `spapr-iommu/live`.
 *
 * @module
 */

export type { AddressRange as BusRange } from "../base/range.ts";
export {
  type ClientOptions,
  type RegionDescription,
  VfioUserClient,
} from "./client/client.ts";
export type { DeviceFeatures, FeatureUse } from "./client/device-features.ts";
export { type DeviceDescription, DeviceHost, type DeviceHostOptions } from "./client/device-host.ts";
export type { DmaRecord } from "./client/dma-service.ts";
export type { DmaRefusal } from "./client/dma-verdict.ts";
export type { MigrationCommands } from "./client/migration-commands.ts";
export type { Divergence } from "./client/window-container.ts";
export type { WriteLog } from "./client/write-log.ts";
export {
  MAILBOX_MISTAKES,
  MailboxCommand,
  MailboxDma,
  type MailboxMistake,
  MailboxRegister,
} from "./devices/mailbox-dma.ts";
export { ProbeDevice, type ProbeEvent } from "./devices/probe.ts";
export { type MailboxOptions, serveMailbox } from "./devices/serve-mailbox.ts";
export { memoryChannels } from "./memory-channel.ts";
export type { ByteChannel, FileMaker, PassedFile, Timers } from "./protocol/channel.ts";
export { Command, type Message } from "./protocol/message.ts";
export { MigrationState } from "./protocol/migration-state.ts";
export { INTERRUPT_KINDS, type InterruptKind, type MappableArea } from "./protocol/payloads.ts";
export type { Capabilities } from "./protocol/version.ts";
export type {
  BarModel,
  BusWindow,
  DevicePlace,
  MaybePromise,
  MigrationModel,
  MsixTables,
  PciDeviceModel,
} from "./server/device-model.ts";
export { LIBVFIO_USER, SERVER_PROFILES, type ServerProfile, SPECIFICATION } from "./server/profile.ts";
export { ServerSession } from "./server/session.ts";
