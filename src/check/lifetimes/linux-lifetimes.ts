import { TWO32, toBig } from "../../base/u64.ts";
import {
  DIRECTION_NAMES,
  type DmaNames,
  type HalvesList,
  type LinuxDmaEvent,
} from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, DMA_LOST, kindsPrinting, LIST } from "../../formats/trace/dma-kinds.ts";
import { type LiveMapping, unmapsNothing } from "../linux/live-mapping.ts";
import { DeviceMappings } from "../linux/mappings.ts";

const HAS_PHYS_ADDRESS = kindsPrinting("physAddress");

/** One call of the DMA API; what is kept of it. */
export interface DmaCall {
  readonly name: string;
  readonly device: string;
  readonly event: number;
  readonly line: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly cpu: number;
  readonly pid: number;
  readonly task: string | undefined;
  readonly direction: string;
  /** DMA address; of a list its first range's, which an unmap does not print. */
  readonly dmaAddress: bigint | undefined;
  /** Bytes; of a list those of all ranges, which an unmap does not print: undefined. */
  readonly size: number | undefined;
  /** Physical address, of a list its first entry's, where it is printed. */
  readonly physAddress: bigint | undefined;
}

/** What one call mapped. */
export interface DmaMapping extends DmaCall {
  /** Mappings before this one. */
  readonly number: number;
}

/** Notified of mappings as they begin and end. */
export interface DmaLifetimeSink {
  /** @param event the map; the object is used again */
  begin(mapping: DmaMapping, event: LinuxDmaEvent): void;
  /**
   * @param mapping undefined for an unmap whose map is not in the trace
   * @param call undefined for what is alive at the end of the trace
   */
  end(mapping: DmaMapping | undefined, call: DmaCall | undefined): void;
}

/** Pairs the maps of a Linux trace with their unmaps, as {@link DeviceMappings} find what an unmap ends. */
export class DmaLifetimeTracker {
  readonly #sink: DmaLifetimeSink;
  readonly #reader: DmaNames;
  /** By device. */
  readonly #live = new Map<number, DeviceMappings>();
  readonly #mappings = new Map<LiveMapping, DmaMapping>();
  #count = 0;

  /** @param reader gives the events; it has the names of devices and tasks */
  constructor(sink: DmaLifetimeSink, reader: DmaNames) {
    this.#sink = sink;
    this.#reader = reader;
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: LinuxDmaEvent): void {
    if (event.kind === DMA_LOST) {
      for (const live of this.#live.values()) live.lose(event.number);
      return;
    }
    const { role } = DMA_KINDS[event.kind]!;
    if (role === "map" && !event.failed) this.#map(event);
    else if (role === "unmap" && !unmapsNothing(event)) this.#unmap(event);
  }

  /** To be called after the last event: ends what is alive, oldest first. */
  end(): void {
    for (const mapping of this.#mappings.values()) this.#sink.end(mapping, undefined);
    this.#mappings.clear();
    this.#live.clear();
  }

  #map(event: LinuxDmaEvent): void {
    const live = this.#liveOf(event).map(event);
    if (live === undefined) return;
    const mapping: DmaMapping = { ...this.callOf(event), number: this.#count++ };
    this.#mappings.set(live, mapping);
    this.#sink.begin(mapping, event);
  }

  #unmap(event: LinuxDmaEvent): void {
    const live = this.#liveOf(event);
    const undone = live.undoneBy(event);
    const mapping = undone === undefined ? undefined : this.#mappings.get(undone);
    if (undone !== undefined) {
      live.remove(undone, event);
      this.#mappings.delete(undone);
    }
    this.#sink.end(mapping, this.callOf(event));
  }

  #liveOf({ device }: LinuxDmaEvent): DeviceMappings {
    let live = this.#live.get(device);
    if (live === undefined) {
      live = new DeviceMappings();
      this.#live.set(device, live);
    }
    return live;
  }

  /** What is kept of an event. */
  callOf(event: LinuxDmaEvent): DmaCall {
    const { ranges, rangeSizes, entries, kind } = event;
    const { name, family } = DMA_KINDS[kind]!;
    const isList = family === LIST;
    return {
      name,
      device: this.#reader.devices.names[event.device]!,
      event: event.number,
      line: event.line,
      seconds: event.seconds,
      nanoseconds: event.nanoseconds,
      cpu: event.cpu,
      pid: event.pid,
      task: this.#reader.tasks.names[event.task],
      direction: DIRECTION_NAMES[event.direction]!,
      dmaAddress: isList ? firstOf(ranges) : toBig(event.dmaHi, event.dmaLo),
      size: isList ? sumOf(rangeSizes) : event.size,
      physAddress: HAS_PHYS_ADDRESS[kind]! ? toBig(event.physHi, event.physLo) : firstOf(entries),
    };
  }
}

const firstOf = ({ words, length }: HalvesList): bigint | undefined =>
  length === 0 ? undefined : toBig(words[0]!, words[1]!);

function sumOf({ words, length }: HalvesList): number | undefined {
  if (length === 0) return undefined;
  let sum = 0;
  for (let i = 0; i < length; i++) sum += words[i * 2]! * TWO32 + words[i * 2 + 1]!;
  return sum;
}
