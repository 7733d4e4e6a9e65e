import { TWO32, toBig } from "../../base/u64.ts";
import type { CallStacks } from "../../formats/trace/call-stacks.ts";
import type { DmaNames, HalvesList, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, DMA_LOST, LIST } from "../../formats/trace/dma-kinds.ts";
import { type DmaCall, DmaLifetimeTracker, type DmaMapping } from "../lifetimes/linux-lifetimes.ts";
import type { Life, LifeCall, LifeSink, LifeStretch, UseKind } from "./life.ts";

const SYNCS: Readonly<Record<string, UseKind>> = {
  "sync-for-cpu": "synced for CPU",
  "sync-for-device": "synced for device",
};

/** Follows the mappings of a recording of Linux: the addresses of each device are a space of their own. */
export class LinuxLives {
  readonly #sink: LifeSink;
  readonly #names: DmaNames;
  readonly #tracker: DmaLifetimeTracker;
  /** Those that are alive, by their number. */
  readonly #lives = new Map<number, Life>();
  /** Unmaps of what the recording did not see mapped. */
  unknownUnmaps = 0;
  /** Places where the kernel lost events. */
  losses = 0;

  constructor(sink: LifeSink, names: DmaNames) {
    this.#sink = sink;
    this.#names = names;
    this.#tracker = new DmaLifetimeTracker(
      {
        begin: (mapping, event) => this.#begin(mapping, event),
        end: (mapping, call) => this.#end(mapping, call),
      },
      names,
    );
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: LinuxDmaEvent): void {
    this.#tracker.handle(event);
    if (event.kind === DMA_LOST) {
      this.losses++;
      return;
    }
    const { role, family } = DMA_KINDS[event.kind]!;
    const kind = SYNCS[role];
    if (kind === undefined) return;
    if (family !== LIST) this.#use(event, toBig(event.dmaHi, event.dmaLo), event.size, kind);
    else forEach(event.ranges, (at, i) => this.#use(event, at, sizeAt(event.rangeSizes, i), kind));
  }

  #use(event: LinuxDmaEvent, first: bigint, size: number, kind: UseKind): void {
    const space = this.#names.devices.names[event.device]!;
    this.#sink.use(space, first, lastOf(first, size), kind, () => this.#callOf(this.#tracker.callOf(event)));
  }

  #begin(mapping: DmaMapping, event: LinuxDmaEvent): void {
    const { stretches, entries } = placesOf(mapping, event);
    const bytes = stretches.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
    const life: Life = {
      number: mapping.number,
      space: mapping.device,
      stretches,
      bytes,
      access: mapping.direction,
      made: this.#callOf(mapping),
      inferred: false,
      entries,
      truncated: event.truncated,
    };
    this.#lives.set(mapping.number, life);
    this.#sink.begin(life);
  }

  #end(mapping: DmaMapping | undefined, call: DmaCall | undefined): void {
    if (call === undefined) return;
    if (mapping === undefined) {
      this.unknownUnmaps++;
      return;
    }
    const life = this.#lives.get(mapping.number)!;
    this.#lives.delete(mapping.number);
    this.#sink.end(life, undefined, "unmapped", this.#callOf(call));
  }

  #callOf(call: DmaCall): LifeCall {
    return new LinuxCall(call, this.#names.stacks);
  }
}

/** Where a map lies. A list of as many ranges as entries has an entry in each. */
function placesOf(
  { dmaAddress, size, physAddress }: DmaMapping,
  event: LinuxDmaEvent,
): { readonly stretches: LifeStretch[]; readonly entries: readonly bigint[] } {
  const { ranges, rangeSizes, entries, kind } = event;
  if (DMA_KINDS[kind]!.family !== LIST) {
    const first = dmaAddress!;
    return {
      stretches: [{ first, last: lastOf(first, size!), target: physAddress, repeats: undefined }],
      entries: [],
    };
  }
  const isPaired = ranges.length === entries.length && event.totalRanges === event.totalEntries;
  const stretches: LifeStretch[] = [];
  forEach(ranges, (first, i) => {
    const target = isPaired ? valueAt(entries, i) : undefined;
    stretches.push({ first, last: lastOf(first, sizeAt(rangeSizes, i)), target, repeats: undefined });
  });
  const memory: bigint[] = [];
  if (!isPaired) forEach(entries, (at) => memory.push(at));
  return { stretches, entries: memory };
}

const valueAt = ({ words }: HalvesList, i: number): bigint => toBig(words[i * 2]!, words[i * 2 + 1]!);
const sizeAt = ({ words }: HalvesList, i: number): number => words[i * 2]! * TWO32 + words[i * 2 + 1]!;

function forEach(list: HalvesList, visit: (value: bigint, index: number) => void): void {
  for (let i = 0; i < list.length; i++) visit(valueAt(list, i), i);
}

/** Nothing is smaller than a byte. */
const lastOf = (first: bigint, size: number): bigint => first + BigInt(Math.max(size, 1)) - 1n;

/** A call of the DMA API. Its stack stands behind it, and is looked up when somebody asks. */
class LinuxCall implements LifeCall {
  readonly name: string;
  readonly event: number;
  readonly line: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly cpu: number | undefined;
  readonly pid: number | undefined;
  readonly task: string | undefined;
  readonly #stacks: CallStacks;

  constructor({ name, event, line, seconds, nanoseconds, cpu, pid, task }: DmaCall, stacks: CallStacks) {
    this.name = name;
    this.event = event;
    this.line = line;
    this.seconds = seconds;
    this.nanoseconds = nanoseconds;
    this.cpu = cpu >= 0 ? cpu : undefined;
    this.pid = pid >= 0 ? pid : undefined;
    this.task = task;
    this.#stacks = stacks;
  }

  get stack(): readonly string[] | undefined {
    return callersOf(this.#stacks, this.event);
  }
}

/** Who called at an event, innermost first; undefined where the recording has no call stack of it (yet). */
export function callersOf(stacks: CallStacks, event: number): readonly string[] | undefined {
  const stack = stacks.of(event);
  return stack < 0 ? undefined : stacks.callers(stack);
}
