import type { Spare } from "../base/spare.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { MemorySystem } from "../memory/memory-system.ts";
import type { Accelerator } from "./accelerator.ts";
import type { LiobnRegistry } from "./liobn-registry.ts";
import type { SpaprObserver } from "./observer.ts";
import type { Profile } from "./profile.ts";

/**
 * How a window tells a new notifier what is mapped.
 *
 * @public
 */
export type ReplayStrategy =
  /** From the counts of the table: costs what is mapped. */
  | "counted-walk"
  /** Translates every page of the window, as QEMU does. */
  | "page-walk";

/** What the parts of one machine share. */
export interface SpaprEnvironment {
  readonly memory: MemorySystem;
  /** What processors see, and where TCEs point. */
  readonly systemMemory: AddressSpace;
  readonly profile: Profile;
  readonly observer: SpaprObserver;
  readonly liobns: LiobnRegistry;
  readonly replayStrategy: ReplayStrategy;
  /** Null: QEMU handles all itself (TCG). */
  readonly accelerator: Accelerator | null;
  /** Room for the entries of one H_PUT_TCE_INDIRECT: {@link MAX_LIST_ENTRIES}, high and low half of each. */
  readonly lists: Spare<Uint32Array>;
}
