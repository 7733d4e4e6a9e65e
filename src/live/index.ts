/**
 * Running machines: scripts on a real QEMU, and following one that runs. Node only.
 *
 * @module
 */

export { attach } from "./attach.ts";
export type { AttachEnd, Attached, AttachOptions, BaseReport } from "./attach-options.ts";
export { type Guard, noGuard, startGuard } from "./guard.ts";
export type { LiveMapping, LiveState, LiveWindow } from "./live-state.ts";
export { askOracle, isMismatch, type OracleOutcome, type OracleReport } from "./oracle.ts";
export { findQemu, profileOf, type QemuProgram } from "./qemu-program.ts";
export { type QmpArguments, QmpClient, type QmpEvent } from "./qmp.ts";
export {
  lineWithTheirs,
  type Oracle,
  qemuOracle,
  type SearchOptions,
  type SearchResult,
  searchDifference,
  withProfile,
} from "./random/search.ts";
export { type Crash, type RealRun, type RunLimits, runOnQemu } from "./real-qemu.ts";
export type { ChangedSettings } from "./settings.ts";
