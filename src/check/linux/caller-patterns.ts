import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS } from "../../formats/trace/dma-kinds.ts";
import type { LiveMapping } from "./live-mapping.ts";
import type { DeviceMappings } from "./mappings.ts";

/** Mappings of a pattern that one caller made and that are gone. */
interface GoneMappings {
  /** Their order in the pattern, in the order in which they went; sorted when it is asked for. */
  readonly orders: number[];
  isSorted: boolean;
  /** How old one of them got, as {@link Pattern.longest}. */
  longest: number;
}

/**
 * What became of the mappings of a device by who made them, where a recording has call stacks: two callers may use sizes and
 * directions alike, and only one of them leaks. A caller is a number of `CallStacks.callerOf`.
 */
export class CallerPatterns {
  /** By pattern and caller. */
  readonly #gone = new Map<string, GoneMappings>();
  /** Directions and callers of which some streaming mapping is gone. */
  readonly #returning = new Set<string>();
  /** Directions of which one was undone whose map, and so its caller, is not known. */
  readonly #unseen = new Set<number>();

  /** A mapping is undone. To be called before it is taken away. */
  undone(mapping: LiveMapping, caller: number, { patterns }: DeviceMappings): void {
    const { pattern, order, family, direction } = mapping;
    if (family !== ALLOCATION) this.#returning.add(`${direction} ${caller}`);
    const key = `${pattern} ${caller}`;
    let gone = this.#gone.get(key);
    if (gone === undefined) {
      gone = { orders: [], isSorted: false, longest: 0 };
      this.#gone.set(key, gone);
    }
    gone.orders.push(order);
    gone.isSorted = false;
    gone.longest = Math.max(gone.longest, patterns[pattern]!.made - order - 1);
  }

  /** Something is undone of which the map is not known. */
  undoneUnseen({ kind, direction }: LinuxDmaEvent, { patterns }: DeviceMappings): void {
    const { family } = DMA_KINDS[kind]!;
    const isLike = patterns.some((pattern) => pattern.family === family && pattern.direction === direction);
    if (isLike && family !== ALLOCATION) this.#unseen.add(direction);
  }

  /** Was no streaming mapping of a direction ever undone that a caller made? */
  neverUndone(direction: number, caller: number): boolean {
    return !this.#returning.has(`${direction} ${caller}`) && !this.#unseen.has(direction);
  }

  /** How many like it, of the same caller, were made before a mapping and after it and are gone, and how old one got. */
  others(
    { pattern, order }: LiveMapping,
    caller: number,
  ): { before: number; after: number; longest: number } {
    const gone = this.#gone.get(`${pattern} ${caller}`);
    if (gone === undefined) return { before: 0, after: 0, longest: 0 };
    if (!gone.isSorted) gone.orders.sort((a, b) => a - b);
    gone.isSorted = true;
    const before = countBelow(gone.orders, order);
    return { before, after: gone.orders.length - before, longest: gone.longest };
  }
}

/** How many of sorted numbers are smaller than one. */
function countBelow(sorted: readonly number[], limit: number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle]! < limit) from = middle + 1;
    else to = middle;
  }
  return from;
}
