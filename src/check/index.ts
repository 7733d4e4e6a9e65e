/**
 * The tool on artifacts: rebuilds windows from traces, verifies every answer, says what is wrong, and follows mappings.
 *
 * @module
 */

export * from "./against.ts";
export * from "./against-check.ts";
export * from "./check-options.ts";
export * from "./dma-lifetimes.ts";
export * from "./dma-mapping-rows.ts";
export * from "./dma-timeline.ts";
export * from "./finding.ts";
export * from "./forecast.ts";
export * from "./lifetimes.ts";
export * from "./mapping-rows.ts";
export * from "./rebuild.ts";
export * from "./rebuilt-window.ts";
export * from "./static-window.ts";
export * from "./stream-check.ts";
export * from "./timeline.ts";
export * from "./trace-check.ts";
export { formatMismatch, type Mismatch, type RebuildCounts } from "./verdicts.ts";
export type { WindowRecord } from "./window-records.ts";
