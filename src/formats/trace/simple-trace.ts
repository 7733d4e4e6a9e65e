import { IommuError } from "../../base/errors.ts";
import { TWO32, toBig } from "../../base/u64.ts";
import type { HostEvent } from "./host-event.ts";
import { DROPPED_ID_LO, EVENT_HEADER, MAX_IDS } from "./simple-format.ts";
import { type FrameCounts, MAX_PLACES, SimpleFrames } from "./simple-frames.ts";
import { isHostName, readHostRecord } from "./simple-host.ts";
import { QemuTraceEvent } from "./trace-event.ts";
import { SCHEMAS } from "./trace-schema.ts";

/** A record that says that events were lost. It does not stand where they are missing. */
export interface DroppedEvents {
  /** Byte offset of the record. */
  readonly offset: number;
  /** How many. */
  readonly count: number;
}

/** What a {@link SimpleTraceReader} read and what it left out. */
export interface SimpleCounts extends FrameCounts {
  /** Records of `spapr_iommu_*` events. */
  events: number;
  /** Records that tell of the host's side: `vfio_*` events. */
  hostEvents: number;
  /** Records of other events. */
  otherEvents: number;
  /** Records that name an event. */
  mappings: number;
  /** Events that QEMU lost, by its own account. */
  dropped: number;
  /** Records that say so. */
  droppedRecords: number;
  /** Events that are older than the one before, which happens with several threads. */
  stepsBack: number;
}

/** What older files do not say. */
export interface SimpleTraceOptions {
  /** Names of events by id. Versions 2 and 3 have none in the file: they are the lines of the build's `trace-events`. */
  readonly eventNames?: readonly string[];
}

/**
 * Reads the `spapr_iommu_*` events, and those of the host's side, of a file of QEMU's `simple` trace backend.
 *
 * Times are those of a clock that counts from the host's start.
 */
export class SimpleTraceReader extends SimpleFrames {
  override readonly counts: SimpleCounts = {
    events: 0,
    hostEvents: 0,
    otherEvents: 0,
    mappings: 0,
    dropped: 0,
    droppedRecords: 0,
    stepsBack: 0,
    breaks: 0,
    brokenBytes: 0,
    tornBytes: 0,
  };
  /** The first {@link MAX_PLACES} records of lost events. */
  readonly drops: DroppedEvents[] = [];
  /** Process id of QEMU, from the last event. (Version 2 has none and says 0.) */
  processId = 0;

  readonly #event = new QemuTraceEvent();
  readonly #onEvent: (event: QemuTraceEvent) => void;
  readonly #options: SimpleTraceOptions;
  readonly #onHost: (event: HostEvent) => void;
  /** Names of events of the host's side, by id. */
  readonly #hostNames = new Map<number, string>();
  /** By event id: one more than the index in {@link SCHEMAS}, 0 for other events. */
  readonly #schemas = new Uint8Array(MAX_IDS);
  #timeHi = 0;
  #timeLo = 0;

  /**
   * @param onEvent called for each `spapr_iommu_*` event, always with the same object
   * @param onHost called for what tells of the host's side
   */
  constructor(
    onEvent: (event: QemuTraceEvent) => void,
    options: SimpleTraceOptions = {},
    onHost: (event: HostEvent) => void = () => {},
  ) {
    super();
    this.#onHost = onHost;
    this.#onEvent = onEvent;
    this.#options = options;
  }

  protected override nameEvents(version: number): void {
    const { eventNames } = this.#options;
    if (eventNames === undefined) {
      throw new IommuError(
        "UNSUPPORTED",
        `version ${version} of simple traces does not name its events: pass the names of that QEMU's trace-events`,
      );
    }
    for (let id = 0; id < Math.min(eventNames.length, MAX_IDS); id++) this.#map(id, eventNames[id]!);
  }

  protected override readMapping(id: number, start: number, end: number): void {
    this.#map(id, String.fromCharCode(...this.bytes.subarray(start, end)));
    this.counts.mappings++;
  }

  #map(id: number, name: string): void {
    const index = SCHEMAS.findIndex((one) => one.name === name);
    this.#schemas[id] = index + 1;
    if (isHostName(name)) this.#hostNames.set(id, name);
    else this.#hostNames.delete(id);
    this.allow(id, index < 0 ? undefined : EVENT_HEADER + SCHEMAS[index]!.fields.length * 8);
  }

  protected override readEvent(at: number, header: number): void {
    const id = this.lo(header);
    if (id === DROPPED_ID_LO) {
      this.#readDropped(at, header + EVENT_HEADER);
      return;
    }
    this.#readTime(header + 8);
    const index = this.#schemas[id]!;
    if (index === 0) {
      if (this.#readHost(id, at, header)) this.counts.hostEvents++;
      else this.counts.otherEvents++;
      return;
    }
    const event = this.#event;
    const schema = SCHEMAS[index - 1]!;
    const { fields } = schema;
    for (let i = 0, from = header + EVENT_HEADER; i < fields.length; i++, from += 8) {
      const word = fields[i]!.word;
      event.words[word] = this.hi(from);
      event.words[word + 1] = this.lo(from);
    }
    this.processId = this.view.getUint32(header + 20, this.little);
    event.kind = schema.kind;
    event.pci = schema.pci;
    event.number = this.counts.events++;
    event.position = this.base + at;
    this.#onEvent(event);
  }

  #readHost(id: number, at: number, header: number): boolean {
    const name = this.#hostNames.get(id);
    if (name === undefined) return false;
    const length = this.view.getUint32(header + 16, this.little) - EVENT_HEADER;
    const found = readHostRecord(name, this.view, header + EVENT_HEADER, length, this.little);
    if (found !== undefined) this.#onHost({ ...found, line: this.base + at, event: this.counts.events });
    return found !== undefined;
  }

  #readDropped(at: number, argument: number): void {
    const count = this.hi(argument) * TWO32 + this.lo(argument);
    this.counts.droppedRecords++;
    this.counts.dropped += count;
    if (this.drops.length < MAX_PLACES) this.drops.push({ offset: this.base + at, count });
  }

  /** Splits nanoseconds into whole seconds and the rest, exactly. */
  #readTime(at: number): void {
    const hi = this.hi(at);
    const lo = this.lo(at);
    if (hi < this.#timeHi || (hi === this.#timeHi && lo < this.#timeLo)) this.counts.stepsBack++;
    this.#timeHi = hi;
    this.#timeLo = lo;
    const event = this.#event;
    // Below 2^53 ns, which are 104 days, a double holds the time; the estimate may be one too high.
    if (hi < 0x20_0000) {
      const time = hi * TWO32 + lo;
      const seconds = Math.floor(time / 1e9);
      const rest = time - seconds * 1e9;
      event.seconds = rest < 0 ? seconds - 1 : seconds;
      event.nanoseconds = rest < 0 ? rest + 1e9 : rest;
      return;
    }
    const time = toBig(hi, lo);
    event.seconds = Number(time / 1_000_000_000n);
    event.nanoseconds = Number(time % 1_000_000_000n);
  }
}
