import type { KvmAccelerator } from "../kvm/accelerator.ts";
import type { Machine } from "../spapr/machine.ts";
import type { Host } from "./host/host.ts";
import type { HostProcess } from "./host/host-process.ts";
import type { ProcessMemory } from "./process-memory.ts";

/**
 * Kinds of containers, as QEMU prefers them.
 *
 * @public
 */
export type ContainerKind = "type1v2" | "spapr-v2" | "spapr-v1";

/**
 * How containers are made, and how they follow the guest's IOMMUs.
 *
 * @public
 */
export interface ContainerConfig {
  /** What the host offers; default `spapr-v2`. */
  readonly container?: ContainerKind;
  /** log2 of the pages behind the guest's memory: 16 (default), or 24 for huge pages. */
  readonly ramPageShift?: number;
  /** Keep what a check of coherence needs ({@link Coherence}); off by default, and free then. */
  readonly coherence?: boolean;
  /**
   * Replays a window when its first change is notified, instead of at once:
   * the idea that the seed change had to discard.
   */
  readonly lazyReplay?: boolean;
}

/** What connecting a group needs of QEMU's process and the host that it runs on. */
export interface ConnectContext {
  readonly host: Host;
  readonly process: HostProcess;
  readonly machine: Machine;
  /** Null without KVM. */
  readonly kvm: KvmAccelerator | null;
  readonly config: ContainerConfig;
  /** The guest's memory in QEMU's process. */
  readonly memory: ProcessMemory;
  /** Takes QEMU's error messages. */
  report(message: string): void;
}
