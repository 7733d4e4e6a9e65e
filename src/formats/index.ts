/**
 * What comes from outside: op scripts and traces; and what goes there: tables and timelines.
 *
 * @module
 */

export * from "./export/dma-rows.ts";
export * from "./export/event-rows.ts";
export * from "./export/perfetto-writer.ts";
export * from "./export/row-buffer.ts";
export * from "./export/text-rows.ts";
export * from "./json-lines.ts";
export * from "./known-differences.ts";
export * from "./op-script/run.ts";
export * from "./op-script/script.ts";
export * from "./recording.ts";
export { detectTraceFormat, type TraceFormat } from "./trace/detect.ts";
export * from "./trace/dma-event.ts";
export { type DmaCounts, DmaLogReader } from "./trace/dma-log.ts";
export { type LogCounts, QemuLogReader } from "./trace/qemu-log.ts";
export { SimpleTraceReader } from "./trace/simple-trace.ts";
export * from "./trace/trace-event.ts";
export { formatTraceEvent as formatReadEvent } from "./trace/trace-text.ts";
