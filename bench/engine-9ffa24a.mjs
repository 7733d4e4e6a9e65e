/**
 * What engine.mjs exports, from a build of commit 9ffa24a, which benchmarks are compared with (reference-build.mjs).
 *
 * @module
 */

export { DEFAULT_CHECK_OPTIONS } from "../dist/check/check-options.js";
export { TraceCheck } from "../dist/check/trace-check.js";
export { writeMigration } from "../dist/formats/migration/stream-writer.js";
export { DmaLogReader } from "../dist/formats/trace/dma-log.js";
export { QemuLogReader } from "../dist/formats/trace/qemu-log.js";
export { SimpleTraceReader } from "../dist/formats/trace/simple-trace.js";
export { Random } from "../dist/live/random.js";
export { DmaTarget } from "../dist/memory/dma-target.js";
export { IommuNotifier, NotifierFlag } from "../dist/memory/iommu-notifier.js";
export { Machine } from "../dist/spapr/machine.js";
export { Hcall, RtasToken } from "../dist/spapr/papr.js";
export { HcallRegisters } from "../dist/spapr/registers.js";
export { saveTables } from "../dist/spapr/saved-table.js";
export { Coherence } from "../dist/vfio/coherence.js";
export { HostedMachine } from "../dist/vfio/hosted-machine.js";
