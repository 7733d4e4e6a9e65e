import { hex, toBig } from "../../base/u64.ts";
import { formatSize } from "../../base/units.ts";
import { type Annotation, PerfettoWriter } from "../../formats/perfetto/perfetto-writer.ts";
import { type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import { eventWord } from "../../formats/trace/trace-schema.ts";
import type { Rebuild } from "../rebuild/rebuild.ts";
import { LifetimeTracker } from "./qemu-lifetimes.ts";
import type { EventStamp, Fate, LifetimeWindow, Mapping } from "./qemu-mapping.ts";
import { Lanes, RateCounter, TimelineClock } from "./timeline-parts.ts";

/** What is drawn of a window. */
interface WindowTracks {
  readonly track: number;
  readonly lanes: Lanes;
  readonly mappedBytes: number;
  readonly calls: RateCounter;
  readonly translations: RateCounter;
  /** Bytes that are mapped by mappings the trace shows. */
  bytes: bigint;
}

/**
 * Draws a trace for Perfetto: a group of tracks for each window, in which
 * every mapping is a slice from the call that made it to the one that ended
 * its last page; bytes mapped, calls and translations a second are counters,
 * and translations that failed are instants. A mapping that is alive at the
 * end is a slice without end, which Perfetto shows as such.
 */
export class Timeline {
  readonly #perfetto: PerfettoWriter;
  readonly #tracker: LifetimeTracker;
  readonly #clock = new TimelineClock();
  readonly #windows = new Map<string, WindowTracks>();
  /** Windows whose occupancy the current event changed. */
  readonly #changed = new Set<WindowTracks>();
  /** Track of each mapping that is alive, by its number. */
  readonly #laneOf = new Map<number, number>();
  #now = 0n;

  /**
   * @param write takes the bytes of the file
   * @param rebuild as it is before the first event
   */
  constructor(write: (bytes: Uint8Array) => void, rebuild?: Rebuild) {
    this.#perfetto = new PerfettoWriter(write);
    this.#tracker = new LifetimeTracker(
      {
        begin: (mapping) => this.#begin(mapping),
        end: (mapping, _first, pages, fate, stamp) => this.#end(mapping, pages, fate, stamp),
      },
      rebuild,
    );
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    this.#now = this.#clock.timeOf(event.seconds, event.nanoseconds, event.number);
    this.#tracker.handle(event);
    if (event.kind <= XLATE) this.#count(event);
    for (const { mappedBytes, bytes } of this.#changed)
      this.#perfetto.setCounter(mappedBytes, this.#now, bytes);
    this.#changed.clear();
  }

  /** To be called after the last event. */
  end(): void {
    this.#tracker.end();
    for (const { calls, translations } of this.#windows.values()) {
      calls.end();
      translations.end();
    }
    this.#perfetto.finish();
  }

  #begin(mapping: Mapping): void {
    const { window, made } = mapping;
    const tracks = this.#tracksOf(window);
    const lane = tracks.lanes.take();
    this.#laneOf.set(mapping.number, lane);
    const annotations: Annotation[] = [
      ["ioba", "address", addressOf(window, mapping.first)],
      ["pages", "integer", mapping.pages],
      ["perm", "integer", mapping.perm],
      ["event", "integer", made.event],
      ["position", "integer", made.position],
    ];
    if (mapping.tce !== undefined)
      annotations.push([mapping.inferred ? "inferred tce" : "tce", "address", mapping.tce]);
    this.#perfetto.beginSlice(lane, this.#now, sliceName(mapping), annotations);
    this.#addPages(tracks, window, mapping.pages);
  }

  #end(mapping: Mapping, pages: number, fate: Fate, stamp: EventStamp | undefined): void {
    if (stamp === undefined) return;
    const tracks = this.#tracksOf(mapping.window);
    this.#addPages(tracks, mapping.window, -pages);
    if (mapping.left > 0) return;
    const lane = this.#laneOf.get(mapping.number)!;
    this.#laneOf.delete(mapping.number);
    tracks.lanes.give(lane);
    this.#perfetto.endSlice(lane, this.#now, [
      ["fate", "text", fate],
      ["end event", "integer", stamp.event],
      ["end position", "integer", stamp.position],
    ]);
  }

  #addPages(tracks: WindowTracks, window: LifetimeWindow, pages: number): void {
    tracks.bytes += BigInt(pages) << BigInt(window.pageShift);
    this.#changed.add(tracks);
  }

  /** Counts a call or a translation, and shows one that failed. */
  #count(event: QemuTraceEvent): void {
    const window = this.#tracker.window(event);
    if (window === undefined) return;
    const tracks = this.#tracksOf(window);
    if (event.kind !== XLATE) {
      tracks.calls.add(this.#now);
      return;
    }
    tracks.translations.add(this.#now);
    if (event.perm !== 0) return;
    // The trace prints where in its window the access was.
    const ioba = BigInt.asUintN(64, window.busOffset + toBig(event.iobaHi, event.iobaLo));
    this.#perfetto.addInstant(tracks.track, this.#now, "DMA fault", [
      ["ioba", "address", ioba],
      ["event", "integer", event.number],
      ["position", "integer", event.position],
    ]);
  }

  #tracksOf(window: LifetimeWindow): WindowTracks {
    const { liobn, busOffset, pageShift } = window;
    const name = `window ${hex(liobn)} at ${hex(busOffset)}, ${formatSize(2 ** pageShift)} pages`;
    let tracks = this.#windows.get(name);
    if (tracks === undefined) {
      const perfetto = this.#perfetto;
      const track = perfetto.addTrack(name);
      tracks = {
        track,
        mappedBytes: perfetto.addCounter("mapped", track, "bytes"),
        calls: new RateCounter(perfetto, track, "calls"),
        translations: new RateCounter(perfetto, track, "translations"),
        lanes: new Lanes(perfetto, track, "mappings"),
        bytes: 0n,
      };
      this.#windows.set(name, tracks);
    }
    return tracks;
  }
}

/** `indirect 512 pages`: the call pattern. */
const sliceName = ({ made, pages }: Mapping): string =>
  `${eventWord(made.kind)} ${pages} ${pages === 1 ? "page" : "pages"}`;

const addressOf = (window: LifetimeWindow, index: number): bigint =>
  BigInt.asUintN(64, window.busOffset + (BigInt(index) << BigInt(window.pageShift)));
