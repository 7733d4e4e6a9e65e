/**
 * The tool on artifacts: rebuilds windows from traces, verifies every answer, says what is wrong, and follows mappings.
 *
 * @module
 */

export * from "./check-options.ts";
export * from "./findings/finding.ts";
export type { Judged, NotJudged } from "./findings/judged.ts";
export * from "./forecast/forecast.ts";
export * from "./lifetimes/linux-lifetimes.ts";
export * from "./lifetimes/linux-rows.ts";
export * from "./lifetimes/linux-timeline.ts";
export * from "./lifetimes/qemu-lifetimes.ts";
export * from "./lifetimes/qemu-rows.ts";
export * from "./lifetimes/qemu-timeline.ts";
export * from "./rebuild/rebuild.ts";
export * from "./rebuild/rebuilt-window.ts";
export { formatMismatch, type Mismatch, type RebuildCounts } from "./rebuild/verdicts.ts";
export type { WindowRecord } from "./rebuild/window-records.ts";
export * from "./saved/against.ts";
export * from "./saved/against-check.ts";
export type { WindowAgreement } from "./saved/against-entries.ts";
export * from "./saved/stream-check.ts";
export * from "./trace-check.ts";
export * from "./windows/static-window.ts";
