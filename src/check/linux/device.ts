import type { CallerPatterns } from "./caller-patterns.ts";
import type { DeviceMappings } from "./mappings.ts";
import type { MissingSyncs } from "./missing-syncs.ts";

/** What is known of one device. */
export interface LinuxDevice {
  readonly mappings: DeviceMappings;
  readonly syncs: MissingSyncs;
  readonly callers: CallerPatterns;
}
