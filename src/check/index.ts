/**
 * The tool on artifacts: rebuilds windows from traces, verifies every answer, and says what is wrong.
 *
 * @module
 */

export * from "./check-options.ts";
export * from "./finding.ts";
export * from "./rebuild.ts";
export * from "./rebuilt-window.ts";
export * from "./trace-check.ts";
export { formatMismatch, type Mismatch, type RebuildCounts } from "./verdicts.ts";
export type { WindowRecord } from "./window-records.ts";
