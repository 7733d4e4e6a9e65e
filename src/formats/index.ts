/**
 * What comes from outside: op scripts and traces.
 *
 * @module
 */

export * from "./json-lines.ts";
export * from "./known-differences.ts";
export * from "./op-script/run.ts";
export * from "./op-script/script.ts";
export * from "./recording.ts";
export { type LogCounts, QemuLogReader } from "./trace/qemu-log.ts";
export { SimpleTraceReader } from "./trace/simple-trace.ts";
export * from "./trace/trace-event.ts";
export { formatTraceEvent as formatReadEvent } from "./trace/trace-text.ts";
