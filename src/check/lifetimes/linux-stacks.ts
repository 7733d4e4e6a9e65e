import { IommuError } from "../../base/errors.ts";
import type { CallStacks } from "../../formats/trace/call-stacks.ts";
import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_EVENT_NAMES, DMA_LOST } from "../../formats/trace/dma-kinds.ts";
import { Histogram } from "./histogram.ts";
import { type DmaCall, DmaLifetimeTracker, type DmaMapping } from "./linux-lifetimes.ts";

/**
 * What the calls of one caller did.
 *
 * @public
 */
export interface StackStatistics {
  /** Its first frames, innermost first; empty for events without a call stack. */
  readonly stack: readonly string[];
  /** Its calls by name: maps, unmaps, syncs, and those that failed. */
  readonly events: Readonly<Record<string, number>>;
  /** What it mapped: how often, how much, and what of that is alive at the end. */
  readonly mapped: number;
  readonly bytesMapped: number;
  readonly alive: number;
  readonly bytesAlive: number;
  /** Nanoseconds until what it mapped was unmapped, where events have times. */
  readonly lifetimesNs: Histogram;
}

/**
 * What a folded stack weighs: how many calls were made there, or how many bytes of what was mapped there are alive at the end.
 *
 * @public
 */
export type StackWeight = "events" | "bytes-alive";

/** A caller's numbers while they are summed up. */
interface Counted extends StackStatistics {
  readonly events: Record<string, number>;
  mapped: number;
  bytesMapped: number;
  alive: number;
  bytesAlive: number;
}

/** Numbers of a call: which stack it has is known when all was read. */
const CALL = 3;

/** Counts by call stack what devices do in a recording of Linux. */
export class DmaStackCounts {
  readonly #names: DmaNames;
  readonly #tracker: DmaLifetimeTracker;
  /** Of each call its event's number, kind and task. */
  readonly #calls: number[] = [];
  readonly #mapped: { readonly mapping: DmaMapping; readonly call: DmaCall | undefined }[] = [];

  constructor(names: DmaNames) {
    this.#names = names;
    this.#tracker = new DmaLifetimeTracker(
      {
        begin: () => {},
        end: (mapping, call) => {
          if (mapping !== undefined) this.#mapped.push({ mapping, call });
        },
      },
      names,
    );
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: LinuxDmaEvent): void {
    this.#tracker.handle(event);
    if (event.kind !== DMA_LOST) this.#calls.push(event.number, event.kind, event.task);
  }

  /** To be called after the last event. */
  end(): void {
    this.#tracker.end();
  }

  /** By caller, who called most often first. To be asked for after the end. */
  get rows(): StackStatistics[] {
    const { stacks } = this.#names;
    const rows = new Map<number, Counted>();
    for (let at = 0; at < this.#calls.length; at += CALL) {
      const { events } = rowOf(rows, stacks, this.#calls[at]!);
      const name = DMA_EVENT_NAMES[this.#calls[at + 1]!]!;
      events[name] = (events[name] ?? 0) + 1;
    }
    for (const { mapping, call } of this.#mapped) {
      const row = rowOf(rows, stacks, mapping.event);
      const bytes = mapping.size ?? 0;
      row.mapped++;
      row.bytesMapped += bytes;
      if (call === undefined) {
        row.alive++;
        row.bytesAlive += bytes;
      } else addLifetime(row.lifetimesNs, mapping, call);
    }
    return [...rows.values()].sort((a, b) => callsOf(b) - callsOf(a));
  }

  /**
   * The stacks in the form that makers of flame graphs read, one a line: `task;outermost;…;innermost;call weight`.
   * Functions stand without offsets and addresses.
   */
  *folded(weight: StackWeight): Generator<string> {
    const weights = new Map<string, number>();
    const add = (event: number, task: string | undefined, call: string, more: number): void => {
      const key = [task ?? "?", ...this.#path(event), call].map(foldedName).join(";");
      weights.set(key, (weights.get(key) ?? 0) + more);
    };
    if (weight === "events") {
      for (let at = 0; at < this.#calls.length; at += CALL) {
        const [event, kind, task] = this.#calls.slice(at, at + CALL);
        add(event!, this.#names.tasks.names[task!], DMA_EVENT_NAMES[kind!]!, 1);
      }
    } else {
      for (const { mapping, call } of this.#mapped) {
        if (call === undefined) add(mapping.event, mapping.task, mapping.name, mapping.size ?? 0);
      }
    }
    for (const key of [...weights.keys()].sort()) yield `${key} ${weights.get(key)!}\n`;
  }

  /** Functions of an event's callers, outermost first. */
  #path(event: number): string[] {
    const { stacks } = this.#names;
    const stack = stacks.of(event);
    return stack < 0 ? [NO_STACK] : stacks.functions(stack).slice(stacks.below(stack)).reverse();
  }
}

/** What stands for the stack of an event that has none. */
const NO_STACK = "[no stack]";

/**
 * Something is asked of call stacks.
 *
 * @param stacks undefined for a trace of QEMU
 * @throws IommuError UNSUPPORTED if there are none
 */
export function needStacks(file: string, stacks: CallStacks | undefined): void {
  if (stacks !== undefined && stacks.events > 0) return;
  const advice =
    "of Linux' dma events: echo 1 > /sys/kernel/tracing/options/stacktrace, trace-cmd record -T, or perf record -g";
  throw new IommuError("UNSUPPORTED", `${file}: there are no call stacks; record them ${advice}`, { file });
}

/** Semicolons stand between frames, and a line ends with its number. */
const foldedName = (name: string): string => name.replaceAll(";", ":").replaceAll(/\s/g, " ");

const callsOf = ({ events }: StackStatistics): number =>
  Object.values(events).reduce((sum, count) => sum + count, 0);

function rowOf(rows: Map<number, Counted>, stacks: CallStacks, event: number): Counted {
  const caller = stacks.callerOf(event);
  let row = rows.get(caller);
  if (row === undefined) {
    row = {
      stack: caller < 0 ? [] : stacks.callers(caller),
      events: {},
      mapped: 0,
      bytesMapped: 0,
      alive: 0,
      bytesAlive: 0,
      lifetimesNs: new Histogram(),
    };
    rows.set(caller, row);
  }
  return row;
}

function addLifetime(lifetimes: Histogram, mapping: DmaMapping, call: DmaCall): void {
  const seconds = call.seconds - mapping.seconds;
  // Clocks of several CPUs may step back.
  if (!Number.isNaN(seconds))
    lifetimes.add(Math.max(0, seconds * 1e9 + call.nanoseconds - mapping.nanoseconds));
}
