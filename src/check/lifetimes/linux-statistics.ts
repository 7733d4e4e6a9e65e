import { DIRECTION_NAMES, type DmaNames, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_EVENT_NAMES, DMA_LOST } from "../../formats/trace/dma-kinds.ts";
import { Histogram } from "./histogram.ts";
import { type DmaCall, DmaLifetimeTracker, type DmaMapping } from "./linux-lifetimes.ts";

/**
 * What one device did in one direction.
 *
 * @public
 */
export interface DmaGroupStatistics {
  readonly device: string;
  /** `TO_DEVICE`; `NONE` for allocations of which no direction is recorded. */
  readonly direction: string;
  /** Events by name. */
  readonly events: Readonly<Record<string, number>>;
  readonly mapped: number;
  readonly unmapped: number;
  /** Unmaps of what the recording did not see mapped. */
  readonly unknownUnmaps: number;
  /** Bytes of all maps, and the most that were mapped at one time. */
  readonly bytesMapped: number;
  readonly peakBytes: number;
  /** Bytes of each map. */
  readonly sizes: Histogram;
  /** Maps one after another, each at the DMA address where the one before it ends. */
  readonly runs: Histogram;
  /** Events between a map and its unmap. */
  readonly lifetimes: Histogram;
  /** Nanoseconds between them, where events have times. */
  readonly lifetimesNs: Histogram;
}

/** A group's numbers while events come. */
class Group implements DmaGroupStatistics {
  readonly device: string;
  readonly direction: string;
  readonly events: Record<string, number> = {};
  mapped = 0;
  unmapped = 0;
  unknownUnmaps = 0;
  bytesMapped = 0;
  peakBytes = 0;
  readonly sizes: Histogram = new Histogram();
  readonly runs: Histogram = new Histogram();
  readonly lifetimes: Histogram = new Histogram();
  readonly lifetimesNs: Histogram = new Histogram();
  #bytesAlive = 0;
  #run = 0;
  #runEnd: bigint | undefined;

  constructor(device: string, direction: string) {
    this.device = device;
    this.direction = direction;
  }

  begin({ size, dmaAddress }: DmaMapping): void {
    this.mapped++;
    if (size !== undefined) {
      this.sizes.add(size);
      this.bytesMapped += size;
      this.#bytesAlive += size;
      this.peakBytes = Math.max(this.peakBytes, this.#bytesAlive);
    }
    if (dmaAddress === undefined || dmaAddress !== this.#runEnd) this.endRun();
    this.#run++;
    this.#runEnd = dmaAddress === undefined || size === undefined ? undefined : dmaAddress + BigInt(size);
  }

  end(mapping: DmaMapping, call: DmaCall): void {
    this.unmapped++;
    this.#bytesAlive -= mapping.size ?? 0;
    this.lifetimes.add(call.event - mapping.event);
    const seconds = call.seconds - mapping.seconds;
    // Clocks of several CPUs may step back.
    if (!Number.isNaN(seconds)) {
      this.lifetimesNs.add(Math.max(0, seconds * 1e9 + call.nanoseconds - mapping.nanoseconds));
    }
  }

  endRun(): void {
    if (this.#run > 0) this.runs.add(this.#run);
    this.#run = 0;
    this.#runEnd = undefined;
  }
}

/** Counts what devices do in a recording of Linux: how often, how much at once, and for how long. */
export class DmaStatistics {
  readonly #tracker: DmaLifetimeTracker;
  readonly #reader: DmaNames;
  readonly #groups = new Map<string, Group>();
  events = 0;
  /** Seconds of the first and the last event that have one; NaN without times. */
  firstTime: number = Number.NaN;
  lastTime: number = Number.NaN;

  /** @param reader gives the events; it has the names of devices */
  constructor(reader: DmaNames) {
    this.#reader = reader;
    this.#tracker = new DmaLifetimeTracker(
      {
        begin: (mapping) => this.#group(mapping.device, mapping.direction).begin(mapping),
        end: (mapping, call) => {
          if (call === undefined) return;
          if (mapping !== undefined) this.#group(mapping.device, mapping.direction).end(mapping, call);
          else this.#group(call.device, call.direction).unknownUnmaps++;
        },
      },
      reader,
    );
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: LinuxDmaEvent): void {
    this.#tracker.handle(event);
    if (event.kind === DMA_LOST) return;
    this.events++;
    const time = event.seconds + event.nanoseconds / 1e9;
    if (Number.isNaN(this.firstTime)) this.firstTime = time;
    if (!Number.isNaN(time)) this.lastTime = time;
    const device = this.#reader.devices.names[event.device]!;
    const { events } = this.#group(device, DIRECTION_NAMES[event.direction]!);
    const name = DMA_EVENT_NAMES[event.kind]!;
    events[name] = (events[name] ?? 0) + 1;
  }

  /** By device and direction. To be asked for after the last event. */
  get groups(): readonly DmaGroupStatistics[] {
    const all = [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
    for (const group of all) group.endRun();
    return all;
  }

  #group(device: string, direction: string): Group {
    const key = `${device} ${direction}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group(device, direction);
      this.#groups.set(key, group);
    }
    return group;
  }
}
