import type { RawBytes } from "../event-format/raw-fields.ts";

/** Bits of `sample_type`, in the order of the fields in a sample. */
const IDENTIFIER = 1 << 16;
const IP = 1 << 0;
const TID = 1 << 1;
const TIME = 1 << 2;
const ADDRESS = 1 << 3;
const ID = 1 << 6;
const STREAM = 1 << 9;
const CPU = 1 << 7;
const PERIOD = 1 << 8;
const READ = 1 << 4;
const CALLCHAIN = 1 << 5;
const RAW = 1 << 10;

/** Bits of `read_format`: what a counter's value comes with. */
const READ_ENABLED = 1 << 0;
const READ_RUNNING = 1 << 1;
const READ_ID = 1 << 2;
const READ_GROUP = 1 << 3;
const READ_LOST = 1 << 4;

const WORD = 8;
/** A record's type, flags and size. */
export const RECORD_HEAD = 8;

/** What an event of perf was recorded with. */
export interface PerfEvent {
  readonly isTracepoint: boolean;
  readonly sampleType: number;
  readonly readFormat: number;
  /** Do all records end with time and CPU? */
  readonly hasTrailer: boolean;
}

/** The parts of a sample, from the start of its record. */
export interface SampleParts {
  cpu: number;
  /** Where the addresses of its stack begin and end. */
  chain: number;
  chainEnd: number;
  /** Where the tracepoint's data begins and ends. */
  raw: number;
  rawEnd: number;
}

/** Where the fields of an event's samples stand. */
export class SampleLayout {
  readonly isTracepoint: boolean;
  /** Place of the time in a sample, -1 without it; from the end of any other record. */
  readonly time: number;
  readonly trailerTime: number;
  readonly trailerCpu: number;
  readonly #cpu: number;
  /** Where the first field begins that has no fixed size. */
  readonly #rest: number;
  readonly #event: PerfEvent;

  constructor(event: PerfEvent) {
    this.#event = event;
    this.isTracepoint = event.isTracepoint;
    const { sampleType } = event;
    let at = RECORD_HEAD;
    const places = new Map<number, number>();
    for (const bit of [IDENTIFIER, IP, TID, TIME, ADDRESS, ID, STREAM, CPU, PERIOD]) {
      if ((sampleType & bit) === 0) continue;
      places.set(bit, at);
      at += WORD;
    }
    this.time = places.get(TIME) ?? -1;
    this.#cpu = places.get(CPU) ?? -1;
    this.#rest = at;
    const behind = (bits: readonly number[]): number =>
      WORD * (1 + bits.filter((bit) => (sampleType & bit) !== 0).length);
    const has = (bit: number): boolean => event.hasTrailer && (sampleType & bit) !== 0;
    this.trailerTime = has(TIME) ? behind([ID, STREAM, CPU, IDENTIFIER]) : -1;
    this.trailerCpu = has(CPU) ? behind([IDENTIFIER]) : -1;
  }

  /** Finds the parts of a sample; false if it is too short. */
  find(bytes: RawBytes, start: number, end: number, parts: SampleParts): boolean {
    const { view, littleEndian } = bytes;
    const { sampleType } = this.#event;
    if (start + this.#rest > end) return false;
    parts.cpu = this.#cpu < 0 ? -1 : view.getUint32(start + this.#cpu, littleEndian);
    parts.chain = 0;
    parts.chainEnd = 0;
    let at = start + this.#rest;
    if ((sampleType & READ) !== 0) {
      at = this.#afterRead(bytes, at, end);
      if (at < 0) return false;
    }
    if ((sampleType & CALLCHAIN) !== 0) {
      if (at + WORD > end) return false;
      const count = wordAt(bytes, at);
      parts.chain = at + WORD;
      parts.chainEnd = parts.chain + count * WORD;
      at = parts.chainEnd;
      if (at > end) return false;
    }
    if ((sampleType & RAW) === 0 || at + 4 > end) return false;
    parts.raw = at + 4;
    parts.rawEnd = parts.raw + view.getUint32(at, littleEndian);
    return parts.rawEnd <= end;
  }

  /** Where the value of a counter ends. */
  #afterRead(bytes: RawBytes, start: number, end: number): number {
    const { readFormat } = this.#event;
    const has = (bit: number): number => ((readFormat & bit) === 0 ? 0 : 1);
    const each = 1 + has(READ_ID) + has(READ_LOST);
    const times = has(READ_ENABLED) + has(READ_RUNNING);
    if (has(READ_GROUP) === 0) return start + (each + times) * WORD;
    if (start + WORD > end) return -1;
    return start + (1 + times + wordAt(bytes, start) * each) * WORD;
  }
}

/** The layouts of events; those that were recorded alike have one. */
export function layoutsOf(events: readonly PerfEvent[]): Map<PerfEvent, SampleLayout> {
  const known = new Map<string, SampleLayout>();
  return new Map(
    events.map((event) => {
      const key = `${event.isTracepoint} ${event.sampleType} ${event.readFormat} ${event.hasTrailer}`;
      const layout = known.get(key) ?? new SampleLayout(event);
      known.set(key, layout);
      return [event, layout];
    }),
  );
}

/** A number of 64 bits, exact below 2^53. */
export const wordAt = ({ view, littleEndian }: RawBytes, at: number): number =>
  view.getUint32(littleEndian ? at : at + 4, littleEndian) +
  view.getUint32(littleEndian ? at + 4 : at, littleEndian) * 2 ** 32;

/** The key of an event's number, which begins each sample where there are several events. */
export const hasIdentifier = ({ sampleType }: PerfEvent): boolean => (sampleType & IDENTIFIER) !== 0;
