export * from "./errors.ts";
export * from "./permission.ts";
export * from "./range.ts";
export * from "./u64.ts";
export * from "./units.ts";
