import type { Bound, Metric } from "./story.ts";
import type { StoryMachine } from "./story-machine.ts";

/** What steps leave behind that later ones may expect. */
export interface StepNumbers {
  right: number;
  refused: number;
  wrong: number;
  status: number;
  movedEntries: number;
  blockedSeconds: number;
}

const MIB = 2 ** 20;

/** The value of a number that a story may expect. */
export function numberOf(metric: Metric, on: StoryMachine, steps: StepNumbers): number {
  const { hosted, linux, machine } = on;
  const windows = machine.phbs.flatMap((phb) => phb.windows).filter(({ enabled }) => enabled);
  switch (metric) {
    case "maps":
    case "failedMaps":
    case "hostMaps":
    case "freezes":
      return on[metric];
    case "live":
      return [...on.buffers.values()].flat().filter(({ isMapped }) => isMapped).length;
    case "ownWindows":
      return linux.guest.ownWindows.size;
    case "windows":
      return windows.length;
    case "entries":
      return windows.reduce((sum, { table }) => sum + (table?.validCount ?? 0), 0);
    case "freeEntries": {
      const fn = linux.guest.functions.find(({ domain }) => domain === 0);
      return (fn === undefined ? undefined : linux.guest.nodeOf(fn)?.tables[0]?.free) ?? 0;
    }
    case "containers":
      return hosted?.connections.length ?? 0;
    case "lockedMiB": {
      const memory = hosted?.process.memory;
      return memory === undefined ? 0 : (memory.lockedPages * memory.pageSize) / MIB;
    }
    default:
      return steps[metric];
  }
}

const RELATIONS: Readonly<Record<Bound["relation"], (found: number, value: number) => boolean>> = {
  "=": (found, value) => found === value,
  "<": (found, value) => found < value,
  "<=": (found, value) => found <= value,
  ">": (found, value) => found > value,
  ">=": (found, value) => found >= value,
};

/** Is a number as it is expected? */
export const holds = ({ relation, value }: Bound, found: number): boolean =>
  RELATIONS[relation](found, value);
