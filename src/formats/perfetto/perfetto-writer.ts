import { ProtobufWriter } from "./protobuf-writer.ts";

/**
 * Numbers of the fields in Perfetto's `Trace`, `TracePacket`, `TrackDescriptor`,
 * `CounterDescriptor`, `TrackEvent` and `DebugAnnotation`.
 */
const TRACE_PACKET = 1;
const PACKET_TIMESTAMP = 8;
const PACKET_SEQUENCE_ID = 10;
const PACKET_TRACK_EVENT = 11;
const PACKET_SEQUENCE_FLAGS = 13;
const PACKET_TRACK_DESCRIPTOR = 60;
const TRACK_UUID = 1;
const TRACK_NAME = 2;
const TRACK_PARENT = 5;
const TRACK_COUNTER = 8;
const COUNTER_UNIT = 3;
const COUNTER_UNIT_NAME = 6;
const EVENT_ANNOTATION = 4;
const EVENT_TYPE = 9;
const EVENT_TRACK = 11;
const EVENT_CATEGORY = 22;
const EVENT_NAME = 23;
const EVENT_COUNTER_VALUE = 30;
const ANNOTATION_INTEGER = 4;
const ANNOTATION_TEXT = 6;
const ANNOTATION_POINTER = 7;
const ANNOTATION_NAME = 10;

const SLICE_BEGIN = 1;
const SLICE_END = 2;
const INSTANT = 3;
const COUNTER = 4;
const UNIT_SIZE_BYTES = 3;
/** Said by the first packet of a sequence: nothing before it is needed. */
const INCREMENTAL_STATE_CLEARED = 1;
/** All packets are of one sequence; 0 is not allowed. */
const SEQUENCE = 1;
const CATEGORY = "iommu";

const FLUSH_BYTES = 1 << 20;

/** Something that is shown with a slice: a number, an address (as a hexadecimal number), or text. */
export type Annotation =
  | readonly [name: string, kind: "integer" | "address", value: number | bigint]
  | readonly [name: string, kind: "text", value: string];

/**
 * Writes a trace for Perfetto's UI and trace processor: tracks, slices and
 * instants on them, and counters. Times are nanoseconds. Slices of one track
 * must not overlap.
 */
export class PerfettoWriter {
  readonly #out = new ProtobufWriter();
  readonly #write: (bytes: Uint8Array) => void;
  #tracks = 0;
  #packets = 0;

  /** @param write takes bytes as they come, a megabyte at a time; they are not to be kept */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** A track for slices, or for other tracks; returns its number. The UI shows siblings of one name as one. */
  addTrack(name: string, parent?: number): number {
    return this.#describeTrack(name, parent, undefined);
  }

  /** @param unit of the values: bytes, or any word */
  addCounter(name: string, parent: number, unit: string): number {
    return this.#describeTrack(name, parent, unit);
  }

  beginSlice(track: number, time: bigint, name: string, annotations: readonly Annotation[]): void {
    this.#event(track, time, SLICE_BEGIN, name, annotations);
  }

  endSlice(track: number, time: bigint, annotations: readonly Annotation[] = []): void {
    this.#event(track, time, SLICE_END, undefined, annotations);
  }

  addInstant(track: number, time: bigint, name: string, annotations: readonly Annotation[]): void {
    this.#event(track, time, INSTANT, name, annotations);
  }

  setCounter(counter: number, time: bigint, value: number | bigint): void {
    const packet = this.#beginPacket(time);
    const event = this.#out.begin(PACKET_TRACK_EVENT);
    this.#out.integer(EVENT_TYPE, COUNTER);
    this.#out.integer(EVENT_TRACK, counter);
    this.#out.integer(EVENT_COUNTER_VALUE, value);
    this.#out.end(event);
    this.#endPacket(packet);
  }

  finish(): void {
    this.#write(this.#out.take());
  }

  #describeTrack(name: string, parent: number | undefined, unit: string | undefined): number {
    const out = this.#out;
    const uuid = ++this.#tracks;
    const packet = this.#beginPacket(undefined);
    const track = out.begin(PACKET_TRACK_DESCRIPTOR);
    out.integer(TRACK_UUID, uuid);
    out.text(TRACK_NAME, name);
    if (parent !== undefined) out.integer(TRACK_PARENT, parent);
    if (unit !== undefined) {
      const counter = out.begin(TRACK_COUNTER);
      if (unit === "bytes") out.integer(COUNTER_UNIT, UNIT_SIZE_BYTES);
      else out.text(COUNTER_UNIT_NAME, unit);
      out.end(counter);
    }
    out.end(track);
    this.#endPacket(packet);
    return uuid;
  }

  #event(
    track: number,
    time: bigint,
    type: number,
    name: string | undefined,
    annotations: readonly Annotation[],
  ): void {
    const out = this.#out;
    const packet = this.#beginPacket(time);
    const event = out.begin(PACKET_TRACK_EVENT);
    out.integer(EVENT_TYPE, type);
    out.integer(EVENT_TRACK, track);
    if (name !== undefined) {
      out.text(EVENT_CATEGORY, CATEGORY);
      out.text(EVENT_NAME, name);
    }
    for (const annotation of annotations) this.#annotate(annotation);
    out.end(event);
    this.#endPacket(packet);
  }

  #annotate([name, kind, value]: Annotation): void {
    const out = this.#out;
    const start = out.begin(EVENT_ANNOTATION);
    out.text(ANNOTATION_NAME, name);
    if (kind === "text") out.text(ANNOTATION_TEXT, value);
    else out.integer(kind === "address" ? ANNOTATION_POINTER : ANNOTATION_INTEGER, value);
    out.end(start);
  }

  #beginPacket(time: bigint | undefined): number {
    const packet = this.#out.begin(TRACE_PACKET);
    if (time !== undefined) this.#out.integer(PACKET_TIMESTAMP, time);
    this.#out.integer(PACKET_SEQUENCE_ID, SEQUENCE);
    if (this.#packets++ === 0) this.#out.integer(PACKET_SEQUENCE_FLAGS, INCREMENTAL_STATE_CLEARED);
    return packet;
  }

  #endPacket(packet: number): void {
    this.#out.end(packet);
    if (this.#out.length >= FLUSH_BYTES) this.#write(this.#out.take());
  }
}
