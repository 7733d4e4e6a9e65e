export * from "./diff.ts";
export * from "./tce.ts";
export * from "./tce-table.ts";
export * from "./tce-view.ts";
