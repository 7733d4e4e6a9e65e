/**
 * What benchmarks use of the build in ../dist: the only file of them that knows its folders.
 *
 * @module
 */

export { Random } from "../dist/base/random.js";
export { DEFAULT_CHECK_OPTIONS } from "../dist/check/check-options.js";
export { TraceCheck } from "../dist/check/trace-check.js";
export { writeMigration } from "../dist/formats/migration/stream-writer.js";
export { DmaLogReader } from "../dist/formats/trace/linux-dma-log.js";
export { QemuLogReader } from "../dist/formats/trace/qemu-log.js";
export { SimpleTraceReader } from "../dist/formats/trace/simple-trace.js";
export {
  attachNetworkCard,
  DeviceDma,
  KernelMemory,
  LinuxGuest,
  PciFunction,
} from "../dist/guest/index.js";
export { connectDevice, listenForHosts } from "../dist/live/vfio-user-socket.js";
export { DmaTarget } from "../dist/memory/dma-target.js";
export { IommuNotifier, NotifierFlag } from "../dist/memory/iommu-notifier.js";
export { Machine } from "../dist/spapr/machine.js";
export { Hcall, RtasToken } from "../dist/spapr/papr.js";
export { HcallRegisters } from "../dist/spapr/registers.js";
export { saveTables } from "../dist/spapr/saved-table.js";
export { Coherence } from "../dist/vfio/coherence.js";
export { HostedMachine } from "../dist/vfio/hosted-machine.js";
export { DeviceHost } from "../dist/vfio-user/client/device-host.js";
export { MailboxDma } from "../dist/vfio-user/devices/mailbox-dma.js";
export { ServerSession } from "../dist/vfio-user/server/session.js";
