/**
 * What comes from outside: traces, op scripts and saved machines; and what goes there: tables, timelines, streams.
 *
 * Inputs are texts or bytes, never paths ({@link InputData}). The readers take chunks that are cut anywhere, and hand
 * out one event object that they use again. Broken files are an `IommuError` that names the place.
 *
 * @module
 */

export type { DiskSnapshot } from "./container/qcow2.ts";
export type { InputData } from "./input/input-data.ts";
export { readText } from "./input/read-text.ts";
export type { JsonLine } from "./json-lines.ts";
export { type KnownDifference, KnownDifferences } from "./known-differences.ts";
export type { Located, LocatedMember, LocatedMembers } from "./located.ts";
export type {
  MachineDescription,
  MachineStep,
  MemoryModule,
  PciDeviceDescription,
} from "./machine/machine-description.ts";
export { machineOfDocument } from "./machine/own-machine.ts";
export type { ListedDevice } from "./machine/pci-devices.ts";
export { machineOfCommandLine } from "./machine/qemu-command-line.ts";
export { readMachine } from "./machine/read-machine.ts";
export { parseToldWindow, type ToldWindow } from "./machine/told-window.ts";
export { type BlankedStream, blankRam } from "./migration/blank-ram.ts";
export { type Configuration, isMigrationStream, type StreamPlace } from "./migration/configuration.ts";
export type { DescribedSection, JsonObject, StreamDescription } from "./migration/description.ts";
export { editMigration } from "./migration/edit.ts";
export type { BlockPlace, RamBlock, RamSink } from "./migration/ram.ts";
export { type RamIndex, SavedRam } from "./migration/ram-index.ts";
export { readMigration, readMigrationAsFar } from "./migration/reader.ts";
export type { SectionInfo } from "./migration/section.ts";
export type { ByteFile, ByteStream, ByteStreamFactory, MigrationSource } from "./migration/source.ts";
export type {
  MigrationStream,
  PartialStream,
  PostcopyPlaces,
  ReadOptions,
  SavedWindow,
  StreamRemark,
} from "./migration/stream.ts";
export { writeMigration } from "./migration/stream-writer.ts";
export { withTable } from "./migration/tce-section-writer.ts";
export { type DeviceOperation, type DeviceScript, parseDeviceScript } from "./op-script/device-operation.ts";
export type { Operation } from "./op-script/operation.ts";
export { type OpScript, parseOpScript, type ScriptLine } from "./op-script/script.ts";
export type { ToldMachine } from "./op-script/told-machine.ts";
export type { SavedContainer } from "./saved/saved-machine.ts";
export { DMA_COLUMNS } from "./table/dma-rows.ts";
export { EVENT_COLUMNS } from "./table/event-rows.ts";
export {
  type Column,
  type ColumnType,
  type RowBuffer,
  RUN_COLUMN,
  type TableWriter,
} from "./table/row-buffer.ts";
export { CSV, JSON_LINES, RAW_CSV, type TextForm, textWriter } from "./table/text-rows.ts";
export type { CallStacks } from "./trace/call-stacks.ts";
export {
  ATTRIBUTE_BITS,
  DIRECTION_NAMES,
  type DmaNames,
  type HalvesList,
  type LinuxDmaEvent,
} from "./trace/dma-event.ts";
export { DMA_EVENT_NAMES, DMA_LOST } from "./trace/dma-kinds.ts";
export type { HostEvent, HostEventKind } from "./trace/host-event.ts";
export {
  type FaultAccess,
  IommuRange,
  type KernelEvent,
  type KernelStatement,
} from "./trace/kernel-event.ts";
export type { DamagedLine } from "./trace/line-reader.ts";
export { ARGUMENTS, type ArgumentName, type QemuTraceEvent } from "./trace/trace-event.ts";
export { traceReader } from "./trace/trace-formats.ts";
export type { Gap, TraceFormat, TraceHandlers, TraceReader } from "./trace/trace-reader.ts";
export { traceEventName } from "./trace/trace-schema.ts";
export { detectTraceFormat } from "./trace/trace-source.ts";
export { formatQemuTraceEvent } from "./trace/trace-text.ts";
export type { NameTable } from "./trace/words.ts";
