/**
 * The engine: guest memory, TCE tables and the sPAPR machine. Everything here
 * runs in Node and in a browser, without dependencies.
 *
 * @module
 */

export * from "./base/index.ts";
export * from "./memory/index.ts";
export * from "./spapr/index.ts";
export * from "./tce/index.ts";
