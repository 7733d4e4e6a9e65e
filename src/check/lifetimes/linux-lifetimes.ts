import { TWO32, toBig } from "../../base/u64.ts";
import {
  DIRECTION_NAMES,
  DMA_ALLOC,
  DMA_ALLOC_PAGES,
  DMA_ALLOC_SGT,
  DMA_EVENT_NAMES,
  DMA_FREE,
  DMA_FREE_PAGES,
  DMA_FREE_SGT,
  DMA_MAP_PAGE,
  DMA_MAP_PHYS,
  DMA_MAP_RESOURCE,
  DMA_MAP_SG,
  DMA_UNMAP_PAGE,
  DMA_UNMAP_PHYS,
  DMA_UNMAP_RESOURCE,
  DMA_UNMAP_SG,
  type DmaEvent,
  type HalvesList,
} from "../../formats/trace/dma-event.ts";
import type { DmaLogReader } from "../../formats/trace/dma-log.ts";

/** Which kinds belong together: what one of a group maps, another one of it unmaps. */
const GROUPS: readonly { readonly maps: readonly number[]; readonly unmaps: readonly number[] }[] = [
  {
    maps: [DMA_MAP_PAGE, DMA_MAP_PHYS, DMA_MAP_RESOURCE],
    unmaps: [DMA_UNMAP_PAGE, DMA_UNMAP_PHYS, DMA_UNMAP_RESOURCE],
  },
  { maps: [DMA_MAP_SG], unmaps: [DMA_UNMAP_SG] },
  { maps: [DMA_ALLOC], unmaps: [DMA_FREE] },
  { maps: [DMA_ALLOC_PAGES], unmaps: [DMA_FREE_PAGES] },
  { maps: [DMA_ALLOC_SGT], unmaps: [DMA_FREE_SGT] },
];
const MAP_GROUP = DMA_EVENT_NAMES.map((_, kind) => GROUPS.findIndex(({ maps }) => maps.includes(kind)));
const UNMAP_GROUP = DMA_EVENT_NAMES.map((_, kind) => GROUPS.findIndex(({ unmaps }) => unmaps.includes(kind)));

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

/** Hears of mappings as they begin and end. */
export interface DmaLifetimeSink {
  begin(mapping: DmaMapping): void;
  /**
   * @param mapping undefined for an unmap whose map is not in the trace
   * @param call undefined for what is alive at the end of the trace
   */
  end(mapping: DmaMapping | undefined, call: DmaCall | undefined): void;
}

/**
 * Pairs the maps of a Linux trace with their unmaps: by device and DMA
 * address, lists by the physical address of their first entry. Where one
 * device has an address mapped several times, which is right without an IOMMU,
 * the oldest mapping of the same size ends.
 */
export class DmaLifetimeTracker {
  readonly #sink: DmaLifetimeSink;
  readonly #reader: DmaLogReader;
  readonly #alive = new Map<string, DmaMapping[]>();
  #mappings = 0;

  /** @param reader gives the events; it has the names of devices and tasks */
  constructor(sink: DmaLifetimeSink, reader: DmaLogReader) {
    this.#sink = sink;
    this.#reader = reader;
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: DmaEvent): void {
    const mapGroup = MAP_GROUP[event.kind] ?? -1;
    if (mapGroup >= 0 && !event.failed) this.#map(`${mapGroup} ${keyOf(event)}`, event);
    const unmapGroup = UNMAP_GROUP[event.kind] ?? -1;
    // nvme frees nothing once for each removal: address 0, size 0.
    const isNothing = (event.dmaHi | event.dmaLo | event.size) === 0 && event.kind !== DMA_UNMAP_SG;
    if (unmapGroup >= 0 && !isNothing) this.#unmap(`${unmapGroup} ${keyOf(event)}`, event);
  }

  /** To be called after the last event: ends what is alive, oldest first. */
  end(): void {
    const left = [...this.#alive.values()].flat().sort((a, b) => a.number - b.number);
    for (const mapping of left) this.#sink.end(mapping, undefined);
    this.#alive.clear();
  }

  #map(key: string, event: DmaEvent): void {
    const mapping: DmaMapping = { ...this.#callOf(event), number: this.#mappings++ };
    const same = this.#alive.get(key);
    if (same === undefined) this.#alive.set(key, [mapping]);
    else same.push(mapping);
    this.#sink.begin(mapping);
  }

  #unmap(key: string, event: DmaEvent): void {
    const call = this.#callOf(event);
    const same = this.#alive.get(key) ?? [];
    const equal = same.findIndex(({ size }) => size === call.size);
    const [mapping] = same.splice(Math.max(0, equal), 1);
    if (same.length === 0) this.#alive.delete(key);
    this.#sink.end(mapping, call);
  }

  #callOf(event: DmaEvent): DmaCall {
    const { ranges, rangeSizes, entries, kind } = event;
    const isList = kind === DMA_MAP_SG || kind === DMA_UNMAP_SG;
    return {
      name: DMA_EVENT_NAMES[kind]!,
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
      physAddress: kind <= DMA_MAP_RESOURCE ? toBig(event.physHi, event.physLo) : firstOf(entries),
    };
  }
}

function keyOf(event: DmaEvent): string {
  const { entries } = event;
  const isList = event.kind === DMA_MAP_SG || event.kind === DMA_UNMAP_SG;
  const hi = isList ? entries.words[0] : event.dmaHi;
  const lo = isList ? entries.words[1] : event.dmaLo;
  return `${event.device} ${hi} ${lo}`;
}

const firstOf = ({ words, length }: HalvesList): bigint | undefined =>
  length === 0 ? undefined : toBig(words[0]!, words[1]!);

function sumOf({ words, length }: HalvesList): number | undefined {
  if (length === 0) return undefined;
  let sum = 0;
  for (let i = 0; i < length; i++) sum += words[i * 2]! * TWO32 + words[i * 2 + 1]!;
  return sum;
}
