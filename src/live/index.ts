/**
 * Running machines: scripts on a real QEMU, and following one that runs. Node only.
 *
 * @module
 */

export * from "./attach.ts";
export * from "./guard.ts";
export * from "./live-state.ts";
export * from "./oracle.ts";
export * from "./qemu-program.ts";
export * from "./qmp.ts";
export {
  type Oracle,
  qemuOracle,
  type SearchOptions,
  type SearchResult,
  searchDifference,
} from "./random/search.ts";
export { type Crash, type RealRun, type RunLimits, runOnQemu } from "./real-qemu.ts";
