/**
 * The tool on models: scenarios.
 *
 * @module
 */

export * from "./mirror.ts";
export * from "./scenario.ts";
export * from "./scenarios.ts";
