/**
 * The tool on models: scenarios.
 *
 * @module
 */

export * from "./lab-machine.ts";
export * from "./scenario.ts";
export * from "./scenarios.ts";
