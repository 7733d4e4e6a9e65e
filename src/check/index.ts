/**
 * The tool on artifacts: rebuilds windows from traces, verifies answers, and follows mappings.
 *
 * @module
 */

export * from "./dma-lifetimes.ts";
export * from "./dma-mapping-rows.ts";
export * from "./dma-timeline.ts";
export * from "./lifetimes.ts";
export * from "./mapping-rows.ts";
export * from "./rebuild.ts";
export * from "./rebuilt-window.ts";
export * from "./timeline.ts";
