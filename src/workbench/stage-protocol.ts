/**
 * What the page and the worker of its stage say to each other: scripts that are run, and the story of the replay. The
 * worker does one thing at a time; who wants no answer any more ends the worker.
 *
 * @module
 */

import type { CostName } from "../lab/cost-model.ts";
import type { ReplayReport } from "../memory/iommu-hooks.ts";
import type { Refusal } from "../spapr/observer.ts";
import type { ChangeRow } from "./protocol.ts";

/** What a script runs on. */
export interface ScriptMachine {
  readonly accel: "tcg" | "kvm";
  /** A device of the host is plugged into each bridge (VFIO). */
  readonly device: boolean;
}

/** Consecutive pages that a notifier was told of. */
export interface Told {
  readonly liobn: string;
  readonly ioba: bigint;
  readonly pages: number;
  /** 0: they are unmapped. */
  readonly perm: string;
  readonly target: bigint;
}

/** Some of many. */
export interface Some<Item> {
  readonly first: readonly Item[];
  readonly all: number;
}

/** One operation of a script, and what came of it. */
export interface ScriptStep {
  readonly line: number;
  /** `h_put_tce` */
  readonly op: string;
  readonly isRefused: boolean;
  /** The answer in words: `H_PARAMETER (-4)`, `read 16 bytes`. */
  readonly answer: string;
  /** The result as `exec` prints it, cut if it is long. */
  readonly result: string;
  readonly refusals: readonly Refusal[];
  /** DMA that failed, and why. */
  readonly faults: readonly string[];
  readonly hazards: readonly string[];
  readonly changes: Some<ChangeRow>;
  /** What QEMU's notifiers were told; empty without a device. */
  readonly told: Some<Told>;
  /** What vfio-user devices were sent: `a: DMA_MAP 0x1000, 4 KiB at 0x5000`. */
  readonly messages: Some<string>;
  /** What the host's kernel was asked for: `2 VFIO_IOMMU_MAP_DMA`. */
  readonly host: readonly string[];
  /** Who served its hypercall, where that is not QEMU. */
  readonly servedByKernel: boolean;
}

/** Why a script does not run, or not on. */
export interface ScriptMistake {
  readonly message: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
}

/** When VFIO hears of a window: it appears before an attached device, or is there and in use when one is plugged. */
export type ReplayCase = "new-window" | "hotplug";

/** One cost of a stretch of time. */
export interface Phase {
  readonly cost: CostName;
  readonly count: number;
  readonly seconds: number;
}

/** A call of the guest's or of the monitor's, during which the guest cannot run. */
export interface Call {
  readonly name: string;
  readonly phases: readonly Phase[];
}

/** One way to bring the mappings of a window to a device, and what comes of it. */
export interface Act {
  readonly name: string;
  /** Whose way it is. */
  readonly whose: string;
  /** What happens, as sentences. */
  readonly says: string;
  readonly calls: readonly Call[];
  /** TCEs or runs that are looked at, notifications, map calls to the host. */
  readonly looked: number;
  readonly lookedAt: "TCEs" | "runs";
  readonly notifications: number;
  /** Numbers of the pages that are mapped when it looks, in order. */
  readonly found: readonly number[];
  readonly mapCalls: number;
  /** Mappings that the device reaches after the call, and after the next H_PUT_TCE; of how many. */
  readonly reached: number;
  readonly reachedAfterPut: number;
  readonly mappings: number;
}

/** The story of one case under one accelerator. */
export interface Story {
  readonly replay: ReplayCase;
  readonly accel: "tcg" | "kvm";
  readonly entries: number;
  readonly pageShift: number;
  readonly start: bigint;
  readonly acts: readonly Act[];
  /** Where the costs are from. */
  readonly notes: readonly string[];
}

/** From the page. */
export type StageRequest =
  | { readonly ask: "run"; readonly id: number; readonly text: string; readonly machine: ScriptMachine }
  | {
      readonly ask: "story";
      readonly id: number;
      readonly replay: ReplayCase;
      readonly accel: "tcg" | "kvm";
    }
  /** Walks so many pages more; `story` tells of which window. */
  | { readonly ask: "walk"; readonly id: number; readonly steps: number };

/** To the page. */
export type StageMessage =
  | { readonly what: "steps"; readonly id: number; readonly steps: readonly ScriptStep[] }
  | {
      readonly what: "ran";
      readonly id: number;
      readonly operations: number;
      readonly mistake: ScriptMistake | undefined;
    }
  | { readonly what: "story"; readonly id: number; readonly story: Story }
  | {
      readonly what: "walked";
      readonly id: number;
      readonly report: ReplayReport;
      /** Of this piece. */
      readonly seconds: number;
    }
  | { readonly what: "failed"; readonly id: number; readonly message: string };
