/**
 * The tool on artifacts: rebuilds windows from traces and verifies answers.
 *
 * @module
 */

export * from "./forecast.ts";
export * from "./rebuild.ts";
export * from "./rebuilt-window.ts";
