/**
 * What comes from outside: op scripts, traces and saved machines; and what goes there: tables and timelines.
 *
 * @module
 */

export * from "./json-lines.ts";
export * from "./known-differences.ts";
export * from "./migration/blank-ram.ts";
export { isMigrationStream, MAGIC_BYTES } from "./migration/configuration.ts";
export * from "./migration/edit.ts";
export * from "./migration/ram.ts";
export * from "./migration/ram-index.ts";
export * from "./migration/reader.ts";
export type * from "./migration/section.ts";
export type { ByteFile, ByteStream, ByteStreamFactory, MigrationSource } from "./migration/source.ts";
export type * from "./migration/stream.ts";
export * from "./migration/stream-writer.ts";
export { withTable } from "./migration/tce-section-writer.ts";
export * from "./op-script/operation.ts";
export * from "./op-script/script.ts";
export * from "./perfetto/perfetto-writer.ts";
export * from "./table/dma-rows.ts";
export * from "./table/event-rows.ts";
export * from "./table/row-buffer.ts";
export * from "./table/text-rows.ts";
export * from "./trace/dma-event.ts";
export * from "./trace/dma-kinds.ts";
export { type DmaCounts, DmaLogReader } from "./trace/dma-log.ts";
export { type LogCounts, QemuLogReader } from "./trace/qemu-log.ts";
export { SimpleTraceReader } from "./trace/simple-trace.ts";
export * from "./trace/trace-event.ts";
export { traceFormat } from "./trace/trace-formats.ts";
export type { Gap, TraceFormat, TraceHandlers, TraceReader } from "./trace/trace-reader.ts";
export { detectTraceFormat } from "./trace/trace-source.ts";
export { formatTraceEvent as formatReadEvent } from "./trace/trace-text.ts";
