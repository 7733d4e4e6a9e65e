/**
 * Scripts that run: op scripts and kernel scripts on machines of ours, and recordings that are compared with them.
 *
 * @module
 */

export * from "./op/result.ts";
export * from "./op/run.ts";
export * from "./parse-recording.ts";
export * from "./recording.ts";
