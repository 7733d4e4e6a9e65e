import { type Annotation, PerfettoWriter } from "../../formats/perfetto/perfetto-writer.ts";
import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { type DmaCall, DmaLifetimeTracker, type DmaMapping } from "./linux-lifetimes.ts";
import { Lanes, RateCounter, TimelineClock } from "./timeline-parts.ts";

/** What is drawn of a device. */
interface DeviceTracks {
  readonly lanes: Lanes;
  readonly mappedBytes: number;
  readonly maps: RateCounter;
  bytes: bigint;
}

/** Draws the `dma:*` events of Linux for Perfetto: a group of tracks for each device, every mapping a slice. */
export class DmaTimeline {
  readonly #perfetto: PerfettoWriter;
  readonly #tracker: DmaLifetimeTracker;
  readonly #clock = new TimelineClock();
  readonly #devices = new Map<string, DeviceTracks>();
  /** Track of each mapping that is alive, by its number. */
  readonly #laneOf = new Map<number, number>();
  #now = 0n;

  /** @param write takes the bytes of the file */
  constructor(write: (bytes: Uint8Array) => void, reader: DmaNames) {
    this.#perfetto = new PerfettoWriter(write);
    this.#tracker = new DmaLifetimeTracker(
      {
        begin: (mapping) => this.#begin(mapping),
        end: (mapping, call) => this.#end(mapping, call),
      },
      reader,
    );
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: LinuxDmaEvent): void {
    this.#now = this.#clock.timeOf(event.seconds, event.nanoseconds, event.number);
    this.#tracker.handle(event);
  }

  /** To be called after the last event. */
  end(): void {
    this.#tracker.end();
    for (const { maps } of this.#devices.values()) maps.end();
    this.#perfetto.finish();
  }

  #begin(mapping: DmaMapping): void {
    const tracks = this.#tracksOf(mapping.device);
    const lane = tracks.lanes.take();
    this.#laneOf.set(mapping.number, lane);
    const annotations: Annotation[] = [
      ["direction", "text", mapping.direction],
      ["event", "integer", mapping.event],
      ["line", "integer", mapping.line],
    ];
    if (mapping.dmaAddress !== undefined) annotations.push(["dma_addr", "address", mapping.dmaAddress]);
    if (mapping.physAddress !== undefined) annotations.push(["phys_addr", "address", mapping.physAddress]);
    if (mapping.size !== undefined) annotations.push(["size", "integer", mapping.size]);
    if (mapping.task !== undefined) annotations.push(["task", "text", mapping.task]);
    this.#perfetto.beginSlice(lane, this.#now, mapping.name, annotations);
    tracks.maps.add(this.#now);
    this.#addBytes(tracks, mapping.size ?? 0);
  }

  #end(mapping: DmaMapping | undefined, call: DmaCall | undefined): void {
    if (mapping === undefined || call === undefined) return;
    const tracks = this.#tracksOf(mapping.device);
    const lane = this.#laneOf.get(mapping.number)!;
    this.#laneOf.delete(mapping.number);
    tracks.lanes.give(lane);
    this.#perfetto.endSlice(lane, this.#now, [
      ["end event", "integer", call.event],
      ["end line", "integer", call.line],
    ]);
    this.#addBytes(tracks, -(mapping.size ?? 0));
  }

  #addBytes(tracks: DeviceTracks, bytes: number): void {
    tracks.bytes += BigInt(bytes);
    this.#perfetto.setCounter(tracks.mappedBytes, this.#now, tracks.bytes);
  }

  #tracksOf(device: string): DeviceTracks {
    let tracks = this.#devices.get(device);
    if (tracks === undefined) {
      const perfetto = this.#perfetto;
      const track = perfetto.addTrack(`device ${device}`);
      tracks = {
        mappedBytes: perfetto.addCounter("mapped", track, "bytes"),
        maps: new RateCounter(perfetto, track, "maps"),
        lanes: new Lanes(perfetto, track, "mappings"),
        bytes: 0n,
      };
      this.#devices.set(device, tracks);
    }
    return tracks;
  }
}
