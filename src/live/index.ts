/**
 * Running machines: scripts on a real QEMU, and following one that runs. Node only.
 *
 * @module
 */

export type { AlivePattern } from "./alive-patterns.ts";
export { attach } from "./attach.ts";
export type { AttachEnd, Attached, AttachOptions, BaseKind, BaseReport } from "./attach-options.ts";
export type { FoundLog } from "./find-log.ts";
export { type Guard, noGuard, startGuard } from "./guard.ts";
export { type FeedItem, type FeedOptions, followFeed } from "./live-feed.ts";
export type { LiveFinding, LiveFindings } from "./live-findings.ts";
export type { LiveMapping, LiveMismatch, LiveSnapshot, LiveState, LiveWindow } from "./live-state.ts";
export type { Commands, Monitor, QmpArguments, QmpEvent } from "./monitor.ts";
export type { MonitorPlace } from "./monitor-place.ts";
export { askOracle, isMismatch, type OracleOutcome, type OracleReport } from "./oracle.ts";
export { findQemu, profileOf, type QemuProgram } from "./qemu-program.ts";
export { QmpClient, type QmpOptions } from "./qmp.ts";
export { QmpAnswer } from "./qmp-answer.ts";
export {
  lineWithTheirs,
  type Oracle,
  qemuOracle,
  type SearchOptions,
  type SearchResult,
  searchDifference,
  withProfile,
} from "./random/search.ts";
export type { Lag } from "./read-lag.ts";
export { type Crash, type RealRun, type RunLimits, runOnQemu } from "./real-qemu.ts";
export type { ChangedSettings } from "./settings.ts";
export type { WindowTraffic } from "./traffic.ts";
export {
  connectDevice,
  type ListeningDevice,
  listenForHosts,
  nodeTimers,
  type SocketOptions,
} from "./vfio-user-socket.ts";
export { VirshMonitor } from "./virsh-monitor.ts";
