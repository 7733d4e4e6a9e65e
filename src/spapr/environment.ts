import { toBig } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import { DmaTarget } from "../memory/dma-target.ts";
import { ramOffset } from "../memory/guest-ram.ts";
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
}

const target = new DmaTarget();
const bytes = new Uint8Array(4096);
const bytesView = new DataView(bytes.buffer);

/**
 * Reads `count` big-endian 32-bit cells of guest memory as a processor does;
 * what is not memory reads as zero (QEMU).
 *
 * @param count at most 1024
 * @returns false if any of it is not memory
 */
export function readCells(
  env: SpaprEnvironment,
  hi: number,
  lo: number,
  into: Uint32Array,
  count: number,
): boolean {
  const found = env.systemMemory.translate(hi, lo, count * 4, false, target);
  if (found && target.region!.ram !== null && target.length === count * 4 && (target.offsetLo & 3) === 0) {
    target.region!.ram.readCells(ramOffset(target.offsetHi, target.offsetLo), into, count);
    return true;
  }
  const piece = bytes.subarray(0, count * 4);
  const result = env.systemMemory.read(toBig(hi, lo), piece, null);
  for (let i = 0; i < count; i++) into[i] = bytesView.getUint32(i * 4);
  return result === 0;
}
