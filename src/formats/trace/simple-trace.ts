import { IommuError } from "../../base/errors.ts";
import { hex, TWO32, toBig, U64_MAX } from "../../base/u64.ts";
import { TraceEvent } from "./trace-event.ts";
import { SCHEMAS } from "./trace-schema.ts";

/** Second word of a file. */
const MAGIC = 0xf2b1_77cb_0aa4_29b4n;
const FILE_HEADER = 24;
/** Event id, time, length and process id; the length counts them, and not the type before them. */
const EVENT_HEADER = 24;
/** Event id and length of the name. */
const MAPPING_HEADER = 12;
const TYPE_MAPPING = 0;
const TYPE_EVENT = 1;
/** The record that counts lost events has this id, all ones but the last bit, and one argument. */
const DROPPED_ID_LO = 0xffff_fffe;
const DROPPED_LENGTH = EVENT_HEADER + 8;

/** QEMU 7.2 has 3943 events; ids from here on are damage. */
const MAX_IDS = 65_536;
/** The longest name in QEMU has some 60 letters. */
const MAX_NAME = 256;
/** A record of seven strings of 512 bytes has less than 4 KiB; QEMU's whole ring has 256 KiB. */
const MAX_RECORD = 65_536;
/** Holds a record of every length, the header behind it, and enough besides to be filled seldom. */
const BUFFER_BYTES = 4 * MAX_RECORD;
/** Places that are kept of each sort; all are counted. */
const MAX_PLACES = 100;

/** Verdicts of {@link SimpleTraceReader} on a place where a record should begin. */
const BROKEN = 0;
const MORE = -1;

/** Classes of event ids: without a name, of an event whose arguments are not known here, and from here on ours. */
const UNNAMED = 0;
const OTHER = 1;
const FIRST_OURS = 2;

/** The only right length of a record, by class. */
const LENGTHS: readonly number[] = [0, 0, ...SCHEMAS.map(({ fields }) => EVENT_HEADER + fields.length * 8)];

/** A record that says that events were lost. It does not stand where they are missing. */
export interface DroppedEvents {
  /** Byte offset of the record. */
  readonly offset: number;
  /** How many. */
  readonly count: number;
}

/** A stretch of a file that is no sequence of whole records. */
export interface BrokenStretch {
  /** Byte offset of the record that is not followed by another. */
  readonly offset: number;
  /** Byte offset of the next good record; the end of the file if there is none. */
  readonly end: number;
}

/** What a {@link SimpleTraceReader} read and what it left out. */
export interface SimpleCounts {
  /** Records of `spapr_iommu_*` events. */
  events: number;
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
  /** Broken stretches, and their bytes. */
  breaks: number;
  brokenBytes: number;
  /** Bytes of a record that was cut off at the end. */
  tornBytes: number;
}

/** Do these bytes begin as a simple trace does? 16 of them tell. */
export function isSimpleTrace(bytes: Uint8Array): boolean {
  if (bytes.length < 16) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  if (view.getBigUint64(0) !== U64_MAX) return false;
  return view.getBigUint64(8) === MAGIC || view.getBigUint64(8, true) === MAGIC;
}

/** What older files do not tell. */
export interface SimpleTraceOptions {
  /** Names of events by id. Versions 2 and 3 have none in the file: they are the lines of the build's `trace-events`. */
  readonly eventNames?: readonly string[];
}

/**
 * Reads the binary file of QEMU's `simple` trace backend, of either byte order.
 *
 * A record counts only if a header follows that can be one, or the end of the
 * file: a record that was cut off and continued with another one has a good
 * header, too. Behind a break the reader looks for the next two records in a row.
 *
 * Times are those of a clock that counts from the host's start.
 */
export class SimpleTraceReader {
  readonly counts: SimpleCounts = {
    events: 0,
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
  /** The first {@link MAX_PLACES} broken stretches. */
  readonly broken: BrokenStretch[] = [];
  /** Version of the file; 0 before its header was read. */
  version = 0;
  /** Process id of QEMU, from the last event. (Version 2 has none and says 0.) */
  processId = 0;

  readonly #event = new TraceEvent();
  readonly #onEvent: (event: TraceEvent) => void;
  readonly #options: SimpleTraceOptions;
  /** Classes by event id: {@link UNNAMED}, {@link OTHER}, or {@link FIRST_OURS} and the index in {@link SCHEMAS}. */
  readonly #classes = new Uint8Array(MAX_IDS);

  readonly #bytes = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Bytes in the buffer, and the offset of its first byte in the file. */
  #filled = 0;
  #base = 0;
  #little = true;
  /** Bytes of the type before each record: none before version 4. */
  #typeBytes = 8;
  /** Offset in the file of the break behind which a record is looked for, -1 when there is none. */
  #brokenAt = -1;
  /** End of the record that stands at the break, if one does. */
  #suspectEnd = -1;
  /** Where in the file to look next. */
  #searchAt = -1;
  #timeHi = 0;
  #timeLo = 0;

  /** Bytes that were read so far. */
  get endOffset(): number {
    return this.#base + this.#filled;
  }

  /** @param onEvent called for each `spapr_iommu_*` event, always with the same object */
  constructor(onEvent: (event: TraceEvent) => void, options: SimpleTraceOptions = {}) {
    this.#onEvent = onEvent;
    this.#options = options;
  }

  /**
   * Reads more of the file. The bytes are not kept after the call.
   *
   * @throws IommuError BAD_FILE or UNSUPPORTED for a file that is of another format or version
   */
  push(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; ) {
      const count = Math.min(chunk.length - from, BUFFER_BYTES - this.#filled);
      this.#bytes.set(chunk.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      this.#read(false);
    }
  }

  /**
   * Ends the file.
   *
   * @throws IommuError BAD_FILE if it ended inside its header
   */
  end(): void {
    this.#read(true);
    if (this.version === 0) {
      throw new IommuError("BAD_FILE", `a simple trace of ${this.#filled} bytes has no whole header`);
    }
    const end = this.#base + this.#filled;
    if (this.#brokenAt < 0) this.counts.tornBytes = this.#filled;
    else if (this.#suspectEnd > end) this.counts.tornBytes = end - this.#brokenAt;
    else this.#endBreak(end);
    this.#base = end;
    this.#filled = 0;
  }

  /** Reads what can be read of the buffer and moves the rest to its start. */
  #read(final: boolean): void {
    let at = 0;
    if (this.version === 0) {
      if (this.#filled < FILE_HEADER) return;
      this.#readFileHeader();
      at = FILE_HEADER;
    }
    for (;;) {
      if (this.#brokenAt >= 0) at = this.#search(final);
      if (this.#brokenAt >= 0) break;
      at = this.#readRecords(at, final);
      if (this.#brokenAt < 0) break;
    }
    this.#bytes.copyWithin(0, at, this.#filled);
    this.#filled -= at;
    this.#base += at;
  }

  #readFileHeader(): void {
    this.#little = this.#view.getBigUint64(8, true) === MAGIC;
    if (!isSimpleTrace(this.#bytes)) {
      const magic = hex(this.#view.getBigUint64(8, true));
      throw new IommuError(
        "BAD_FILE",
        `not a simple trace: ${magic} at byte 8 is not ${hex(MAGIC)} in either byte order`,
      );
    }
    const version = this.#view.getBigUint64(16, this.#little);
    if (version < 2n || version > 4n) {
      throw new IommuError(
        "UNSUPPORTED",
        `version ${version} of simple traces (byte 16) is not one of 2, 3, 4`,
      );
    }
    if (version < 4n) this.#nameEvents(Number(version));
    this.version = Number(version);
  }

  #nameEvents(version: number): void {
    const { eventNames } = this.#options;
    if (eventNames === undefined) {
      throw new IommuError(
        "UNSUPPORTED",
        `version ${version} of simple traces does not name its events: pass the names of that QEMU's trace-events`,
      );
    }
    this.#typeBytes = 0;
    for (let id = 0; id < Math.min(eventNames.length, MAX_IDS); id++) this.#map(id, eventNames[id]!);
  }

  #map(id: number, name: string): void {
    const schema = SCHEMAS.findIndex((one) => one.name === name);
    this.#classes[id] = schema < 0 ? OTHER : FIRST_OURS + schema;
  }

  /** Reads records from `start` on, up to one that is not whole yet or a break; returns where that is. */
  #readRecords(start: number, final: boolean): number {
    let at = start;
    let size = this.#sizeAt(at);
    while (size > 0 && at + size <= this.#filled) {
      if (this.#isMapping(at)) {
        this.#readMapping(at);
        at += size;
        size = this.#sizeAt(at);
        continue;
      }
      const next = this.#sizeAt(at + size);
      if (next === MORE && !final) return at;
      if (next === BROKEN) return this.#beginBreak(at, size);
      this.#readEvent(at);
      at += size;
      size = next;
    }
    if (size === BROKEN) return this.#beginBreak(at, 0);
    // A record that reaches beyond the end is torn, unless its length is wrong and there are records inside of it.
    return size > 0 && final ? this.#beginBreak(at, size) : at;
  }

  /** @param suspect bytes of a record whose header is good, while its end is not */
  #beginBreak(at: number, suspect: number): number {
    this.#brokenAt = this.#base + at;
    this.#suspectEnd = this.#brokenAt + suspect;
    this.#searchAt = this.#brokenAt + 1;
    return at;
  }

  /**
   * Looks for the next record that has another one, or the end of the file, behind it.
   * The suspect was whole after all if none begins inside of it.
   *
   * @returns the first byte that is still needed
   */
  #search(final: boolean): number {
    let at = this.#searchAt - this.#base;
    for (; at < this.#filled; at++) {
      if (this.#base + at === this.#suspectEnd) {
        this.#readEvent(this.#brokenAt - this.#base);
        this.#brokenAt = this.#suspectEnd;
      }
      const verdict = this.#recordsAt(at, final);
      if (verdict === MORE) break;
      if (verdict === BROKEN) continue;
      this.#endBreak(this.#base + at);
      return at;
    }
    this.#searchAt = this.#base + at;
    return this.#searchAt < this.#suspectEnd ? this.#brokenAt - this.#base : at;
  }

  /** Is an event's record at `at`, and a record or the end of the file behind it? */
  #recordsAt(at: number, final: boolean): number {
    const undecided = final ? BROKEN : MORE;
    const size = this.#sizeAt(at);
    if (size === MORE || at + size > this.#filled) return undecided;
    if (size === BROKEN || this.#isMapping(at)) return BROKEN;
    const next = this.#sizeAt(at + size);
    return next === MORE && final ? size : next;
  }

  #isMapping(at: number): boolean {
    return this.#typeBytes > 0 && this.#lo(at) === TYPE_MAPPING;
  }

  #endBreak(end: number): void {
    this.counts.breaks++;
    this.counts.brokenBytes += end - this.#brokenAt;
    if (this.broken.length < MAX_PLACES) this.broken.push({ offset: this.#brokenAt, end });
    this.#brokenAt = -1;
  }

  /** Bytes of the record at `at`, with its type, judged by its header; {@link BROKEN}, or {@link MORE} must be known. */
  #sizeAt(at: number): number {
    const left = this.#filled - at;
    const typeBytes = this.#typeBytes;
    if (typeBytes > 0) {
      if (left < typeBytes) return MORE;
      const type = this.#lo(at);
      if (this.#hi(at) !== 0 || type > TYPE_EVENT) return BROKEN;
      if (type === TYPE_MAPPING) return this.#mappingSizeAt(at, left);
    }
    if (left < typeBytes + EVENT_HEADER) return MORE;
    const header = at + typeBytes;
    const id = this.#lo(header);
    const length = this.#view.getUint32(header + 16, this.#little);
    if (this.#hi(header) !== 0) {
      const dropped = this.#hi(header) === 0xffff_ffff && id === DROPPED_ID_LO && length === DROPPED_LENGTH;
      return dropped ? typeBytes + length : BROKEN;
    }
    if (id >= MAX_IDS || length < EVENT_HEADER || length > MAX_RECORD) return BROKEN;
    const idClass = this.#classes[id]!;
    if (idClass === UNNAMED) return BROKEN;
    return idClass === OTHER || LENGTHS[idClass] === length ? typeBytes + length : BROKEN;
  }

  #mappingSizeAt(at: number, left: number): number {
    const size = this.#typeBytes + MAPPING_HEADER;
    if (left < size) return MORE;
    const name = this.#view.getUint32(at + 16, this.#little);
    const good = this.#hi(at + 8) === 0 && this.#lo(at + 8) < MAX_IDS && name > 0 && name <= MAX_NAME;
    return good ? size + name : BROKEN;
  }

  #readMapping(at: number): void {
    const start = at + this.#typeBytes + MAPPING_HEADER;
    const length = this.#view.getUint32(start - 4, this.#little);
    this.#map(this.#lo(at + 8), String.fromCharCode(...this.#bytes.subarray(start, start + length)));
    this.counts.mappings++;
  }

  #readEvent(at: number): void {
    const header = at + this.#typeBytes;
    const id = this.#lo(header);
    if (id === DROPPED_ID_LO) {
      this.#readDropped(at);
      return;
    }
    this.#readTime(header + 8);
    const idClass = this.#classes[id]!;
    if (idClass === OTHER) {
      this.counts.otherEvents++;
      return;
    }
    const event = this.#event;
    const schema = SCHEMAS[idClass - FIRST_OURS]!;
    const { fields } = schema;
    for (let i = 0, from = header + EVENT_HEADER; i < fields.length; i++, from += 8) {
      const word = fields[i]!.word;
      event.words[word] = this.#hi(from);
      event.words[word + 1] = this.#lo(from);
    }
    this.processId = this.#view.getUint32(header + 20, this.#little);
    event.kind = schema.kind;
    event.pci = schema.pci;
    event.number = this.counts.events++;
    event.position = this.#base + at;
    this.#onEvent(event);
  }

  #readDropped(at: number): void {
    const argument = at + this.#typeBytes + EVENT_HEADER;
    const count = this.#hi(argument) * TWO32 + this.#lo(argument);
    this.counts.droppedRecords++;
    this.counts.dropped += count;
    if (this.drops.length < MAX_PLACES) this.drops.push({ offset: this.#base + at, count });
  }

  /** Splits nanoseconds into whole seconds and the rest, exactly. */
  #readTime(at: number): void {
    const hi = this.#hi(at);
    const lo = this.#lo(at);
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

  #hi(at: number): number {
    return this.#view.getUint32(this.#little ? at + 4 : at, this.#little);
  }

  #lo(at: number): number {
    return this.#view.getUint32(this.#little ? at : at + 4, this.#little);
  }
}
