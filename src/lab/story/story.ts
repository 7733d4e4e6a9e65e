import type { MachineDescription, MachineStep } from "../../formats/machine/machine-description.ts";

/**
 * Who is on the other side of DMA: a device of the machine by the `id` of its description, or one that was passed
 * through, by its name.
 *
 * @public
 */
export type DeviceName = string;

/**
 * A driver maps buffers one by one, and keeps them under a name.
 *
 * @public
 */
export interface MapStep {
  readonly kind: "map";
  readonly device: DeviceName;
  /** Name of the buffers; more can be added under a name. */
  readonly as: string;
  readonly buffers: number;
  /** Bytes of each. */
  readonly size: number;
  /** Default bidirectional. */
  readonly direction?: "to-device" | "from-device" | "bidirectional" | undefined;
  /** Physical address of the first, which the others follow; default: where the guest has memory free. */
  readonly at?: number | undefined;
  /** Memory that driver and device share for long (`dma_alloc_coherent`); default: streaming. */
  readonly coherent?: boolean | undefined;
}

/**
 * A driver unmaps buffers.
 *
 * @public
 */
export interface UnmapStep {
  readonly kind: "unmap";
  readonly buffers: string;
  /** Only each n-th, beginning with the first; default all. */
  readonly every?: number | undefined;
}

/**
 * A device writes to buffers (reads those that are to-device) at their bus addresses, whether they are mapped or not.
 *
 * @public
 */
export interface UseStep {
  readonly kind: "use";
  readonly buffers: string;
  /** Default: the device that they were mapped for. */
  readonly device?: DeviceName | undefined;
}

/**
 * A driver at work: maps a buffer, lets the device use it, and unmaps one of those that are there, in an order that the
 * seed says.
 *
 * @public
 */
export interface TrafficStep {
  readonly kind: "traffic";
  readonly device: DeviceName;
  readonly operations: number;
  /** Bytes of a buffer; of several sizes the seed picks. */
  readonly sizes: readonly number[];
  /** Buffers that are mapped at a time; all are unmapped at the end. Default 32. */
  readonly live?: number | undefined;
  /** Each n-th buffer is never unmapped. */
  readonly leaks?: number | undefined;
  /** Each n-th buffer is unmapped before the device uses it. */
  readonly freesEarly?: number | undefined;
}

/**
 * A driver and its device move bytes: packets out and in, blocks to a disk and back, copies of a GPU. The mistakes are the
 * driver's, each in one of so many maps.
 *
 * @public
 */
export interface DriveStep {
  readonly kind: "drive";
  readonly device: DeviceName;
  readonly driver: "network" | "block" | "gpu";
  readonly operations: number;
  /** An unmap is forgotten. */
  readonly leaks?: number | undefined;
  /** A buffer is unmapped before its device has done with it. */
  readonly freesEarly?: number | undefined;
  /** A buffer is mapped for the other direction. */
  readonly wrongDirection?: number | undefined;
  /** The device is given an address behind the window. */
  readonly outside?: number | undefined;
}

/**
 * What a story does besides what may happen to a machine by itself.
 *
 * @public
 */
export type StoryStep =
  | MachineStep
  /** Linux boots, and the drivers of its devices say what these can address. */
  | { readonly kind: "boot" }
  | MapStep
  | UnmapStep
  | UseStep
  | TrafficStep
  | DriveStep
  /** The guest removes the window that it made behind a bridge, and clears nothing before. */
  | { readonly kind: "remove-window"; readonly bridge: number }
  /** Devices of the host, one of each IOMMU group from the first on, are given to the guest, as `NAME` or `NAME0`, `NAME1`, ... */
  | {
      readonly kind: "pass-through";
      readonly as: DeviceName;
      readonly group: number;
      readonly bridge: number;
      readonly count?: number | undefined;
    }
  | { readonly kind: "take-away"; readonly device: DeviceName }
  /** The machine is saved and loaded into another one that is made alike. */
  | { readonly kind: "migrate" }
  /** What follows is of the other machine, or of the first one again. */
  | { readonly kind: "switch" }
  | ExpectStep;

/**
 * What must be so at this moment: numbers, and what is said.
 *
 * @public
 */
export interface ExpectStep {
  readonly kind: "expect";
  readonly numbers?: Readonly<Partial<Record<Metric, Bound>>> | undefined;
  /** Texts that must be in the guest's kernel log. */
  readonly log?: readonly string[] | undefined;
  /** Texts that must not be in it. */
  readonly noLog?: readonly string[] | undefined;
  /** The kinds of what `check` finds in the trace up to here, no more and no fewer. */
  readonly findings?: readonly string[] | undefined;
  /** The same of the guest's own trace: the lines of Linux's dma events of all `drive` steps up to here. */
  readonly guestFindings?: readonly string[] | undefined;
}

/**
 * A number, or a comparison with one.
 *
 * @public
 */
export interface Bound {
  readonly relation: "=" | "<" | "<=" | ">" | ">=";
  readonly value: number;
}

/**
 * What can be expected: see `METRICS`.
 *
 * @public
 */
export type Metric =
  | "maps"
  | "failedMaps"
  | "live"
  | "right"
  | "refused"
  | "wrong"
  | "ownWindows"
  | "windows"
  | "entries"
  | "freeEntries"
  | "status"
  | "containers"
  | "lockedMiB"
  | "hostMaps"
  | "freezes"
  | "movedEntries"
  | "blockedSeconds";

/**
 * What can be expected, with what it is.
 *
 * @public
 */
export const METRICS: { readonly [Name in Metric]: string } = {
  maps: "buffers that were mapped so far",
  failedMaps: "maps that failed so far",
  live: "buffers that are mapped now",
  right: "accesses of the last use or traffic, or transfers of the last drive, that got to the right memory",
  refused: "those that the IOMMU refused",
  wrong: "those that got to other memory",
  ownWindows: "windows that the guest's kernel made and knows now",
  windows: "windows behind PCI bridges that are there now",
  entries: "valid TCEs of PCI windows now",
  freeEntries: "free entries of the table behind bridge 0, as the guest's kernel counts",
  status: "what the last remove-window answered; 0 is success",
  containers: "containers of VFIO now",
  lockedMiB: "memory that QEMU has locked now, in MiB",
  hostMaps: "map calls to the host's kernel so far",
  freezes: "freezes of endpoints that drivers had to recover from so far (EEH)",
  movedEntries: "TCEs that the machine after the last migrate has and had before",
  blockedSeconds: "modelled: the longest time for which the guest stood still so far",
};

/**
 * A change of a story with which it must fail: shows that it notices.
 *
 * @public
 */
export interface Mutation {
  /** What is different, in a sentence. */
  readonly about: string;
  /** Number of the step that is replaced, from 1. */
  readonly step: number;
  /** What comes in its place; nothing if the step is left out. */
  readonly by: StoryStep | undefined;
}

/**
 * A scenario as data.
 *
 * @public
 */
export interface Story {
  readonly name: string;
  readonly title: string;
  /** What it shows, for lists: two lines. */
  readonly summary: string;
  /** The trouble, why it comes about and what helps: a paragraph each. */
  readonly about: readonly string[];
  readonly machine: MachineDescription;
  /** Another machine on the same host. */
  readonly otherMachine?: MachineDescription | undefined;
  /** A host below the machines, whose devices can be passed through; default: none. */
  readonly host?: StoryHost | undefined;
  /** A DMA that the IOMMU refuses freezes its device's endpoint, as on POWER, and the guest of a `drive` recovers it; default false. */
  readonly eeh?: boolean | undefined;
  readonly seed: number;
  readonly steps: readonly StoryStep[];
  readonly mutation?: Mutation | undefined;
}

/**
 * The host of a story.
 *
 * @public
 */
export interface StoryHost {
  /** IOMMU groups, with a device each. */
  readonly groups: number;
  readonly container: "spapr-v1" | "spapr-v2";
}

/**
 * The story with its mutation, which must fail.
 *
 * @public
 */
export function mutated(story: Story): Story {
  const { mutation, steps } = story;
  if (mutation === undefined) return story;
  const { step, by, about } = mutation;
  return {
    ...story,
    title: `${story.title}, but ${about}`,
    steps: steps.flatMap((one, i) => (i + 1 !== step ? [one] : by === undefined ? [] : [by])),
  };
}
