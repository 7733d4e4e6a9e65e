import { IommuError } from "../../base/errors.ts";
import {
  DROPPED_ID_LO,
  DROPPED_LENGTH,
  EVENT_HEADER,
  FILE_HEADER,
  MAPPING_HEADER,
  MAX_IDS,
  MAX_NAME,
  MAX_RECORD,
  readSimpleHeader,
  TYPE_EVENT,
  TYPE_MAPPING,
} from "./simple-format.ts";

/** Holds two records of every length and the header after them, and enough besides to be filled seldom. */
const BUFFER_BYTES = 262_144;
/** Places that are kept of each sort; all are counted. */
export const MAX_PLACES = 100;

/** Verdicts on a place where a record should begin. */
const BROKEN = 0;
const MORE = -1;

/** Lengths of records by event id: of an event without a name, and of one whose arguments are not known. */
const UNNAMED = 0;
const ANY_LENGTH = 1;

/** A stretch of a file that is no sequence of whole records. */
export interface BrokenStretch {
  /** Byte offset of the record that is not followed by another. */
  readonly offset: number;
  /** Byte offset of the next good record; the end of the file if there is none. */
  readonly end: number;
}

/** What {@link SimpleFrames} leaves out. */
export interface FrameCounts {
  /** Broken stretches, and their bytes. */
  breaks: number;
  brokenBytes: number;
  /** Bytes of a record that was cut off at the end. */
  tornBytes: number;
}

/**
 * Cuts a file of QEMU's `simple` trace backend, of either byte order, into records.
 *
 * A record counts only if a header follows that can be one, or the end of the
 * file: a record that was cut off and continued with another one has a good
 * header, too. After a break the next two records in a row are looked for.
 */
export abstract class SimpleFrames {
  abstract readonly counts: FrameCounts;
  /** The first {@link MAX_PLACES} broken stretches. */
  readonly broken: BrokenStretch[] = [];
  /** Version of the file; 0 before its header was read. */
  version = 0;

  /** What is in the buffer, and the offset of its first byte in the file. */
  protected readonly bytes: Uint8Array = new Uint8Array(BUFFER_BYTES);
  protected readonly view: DataView = new DataView(this.bytes.buffer);
  protected base = 0;
  protected little = true;

  /** By event id: the only right length of its records, or {@link UNNAMED} or {@link ANY_LENGTH}. */
  readonly #lengths = new Uint16Array(MAX_IDS);
  /** Bytes in the buffer. */
  #filled = 0;
  /** Bytes of the type before each record: none before version 4. */
  #typeBytes = 8;
  /** Offset in the file of the break after which a record is looked for, -1 when there is none. */
  #brokenAt = -1;
  /** End of the record that stands at the break, if one does. */
  #suspectEnd = -1;
  /** Where in the file to look next. */
  #searchAt = -1;

  /** Names the events of a version whose files do not. */
  protected abstract nameEvents(version: number): void;

  /** Takes the name of an event, which is in `[start, end)` of the buffer. */
  protected abstract readMapping(id: number, start: number, end: number): void;

  /** Takes the record that begins at `at`, and whose event id stands at `header`. */
  protected abstract readEvent(at: number, header: number): void;

  /** Lets records of an event pass, with `length` as their only length if it is known. */
  protected allow(id: number, length?: number): void {
    this.#lengths[id] = length ?? ANY_LENGTH;
  }

  /**
   * Reads more of the file. The bytes are not kept after the call.
   *
   * @throws IommuError BAD_FILE or UNSUPPORTED for a file that is of another format or version
   */
  push(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; ) {
      const count = Math.min(chunk.length - from, BUFFER_BYTES - this.#filled);
      this.bytes.set(chunk.subarray(from, from + count), this.#filled);
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
    const end = this.base + this.#filled;
    if (this.#brokenAt < 0) this.counts.tornBytes = this.#filled;
    else if (this.#suspectEnd > end) this.counts.tornBytes = end - this.#brokenAt;
    else this.#endBreak(end);
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
    this.bytes.copyWithin(0, at, this.#filled);
    this.#filled -= at;
    this.base += at;
  }

  #readFileHeader(): void {
    const { version, little } = readSimpleHeader(this.view);
    this.little = little;
    if (version < 4) {
      this.nameEvents(version);
      this.#typeBytes = 0;
    }
    this.version = version;
  }

  /** Reads records from `start` on, up to one that is not whole yet or a break; returns where that is. */
  #readRecords(start: number, final: boolean): number {
    let at = start;
    let size = this.#sizeAt(at);
    while (size > 0 && at + size <= this.#filled) {
      if (this.#isMapping(at)) {
        this.#takeMapping(at, size);
        at += size;
        size = this.#sizeAt(at);
        continue;
      }
      const next = this.#sizeAt(at + size);
      if (next === MORE && !final) return at;
      if (next === BROKEN) return this.#beginBreak(at, size);
      this.readEvent(at, at + this.#typeBytes);
      at += size;
      size = next;
    }
    if (size === BROKEN) return this.#beginBreak(at, 0);
    // A record that reaches beyond the end is torn, unless its length is wrong and there are records inside of it.
    return size > 0 && final ? this.#beginBreak(at, size) : at;
  }

  /** @param suspect bytes of a record whose header is good, while its end is not */
  #beginBreak(at: number, suspect: number): number {
    this.#brokenAt = this.base + at;
    this.#suspectEnd = this.#brokenAt + suspect;
    this.#searchAt = this.#brokenAt + 1;
    return at;
  }

  /**
   * Looks for the next record that has another one, or the end of the file, after it.
   * The suspect was whole after all if none begins inside of it.
   *
   * @returns the first byte that is still needed
   */
  #search(final: boolean): number {
    let at = this.#searchAt - this.base;
    for (; at < this.#filled; at++) {
      if (this.base + at === this.#suspectEnd) {
        const suspect = this.#brokenAt - this.base;
        this.readEvent(suspect, suspect + this.#typeBytes);
        this.#brokenAt = this.#suspectEnd;
      }
      const verdict = this.#recordsAt(at, final);
      if (verdict === MORE) break;
      if (verdict === BROKEN) continue;
      this.#endBreak(this.base + at);
      return at;
    }
    this.#searchAt = this.base + at;
    return this.#searchAt < this.#suspectEnd ? this.#brokenAt - this.base : at;
  }

  /** Is an event's record at `at`, and a record or the end of the file after it? */
  #recordsAt(at: number, final: boolean): number {
    const undecided = final ? BROKEN : MORE;
    const size = this.#sizeAt(at);
    if (size === MORE || at + size > this.#filled) return undecided;
    if (size === BROKEN || this.#isMapping(at)) return BROKEN;
    const next = this.#sizeAt(at + size);
    return next === MORE && final ? size : next;
  }

  /** The first name of an id stays: a later one is damage, or the same again. */
  #takeMapping(at: number, size: number): void {
    const id = this.lo(at + 8);
    if (this.#lengths[id] !== UNNAMED) return;
    this.readMapping(id, at + this.#typeBytes + MAPPING_HEADER, at + size);
  }

  #isMapping(at: number): boolean {
    return this.#typeBytes > 0 && this.lo(at) === TYPE_MAPPING;
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
      const type = this.lo(at);
      if (this.hi(at) !== 0 || type > TYPE_EVENT) return BROKEN;
      if (type === TYPE_MAPPING) return this.#mappingSizeAt(at, left);
    }
    if (left < typeBytes + EVENT_HEADER) return MORE;
    const header = at + typeBytes;
    const id = this.lo(header);
    const length = this.view.getUint32(header + 16, this.little);
    if (this.hi(header) !== 0) {
      const dropped = this.hi(header) === 0xffff_ffff && id === DROPPED_ID_LO && length === DROPPED_LENGTH;
      return dropped ? typeBytes + length : BROKEN;
    }
    if (id >= MAX_IDS || length < EVENT_HEADER || length > MAX_RECORD) return BROKEN;
    const right = this.#lengths[id]!;
    if (right === UNNAMED || (right !== ANY_LENGTH && right !== length)) return BROKEN;
    return typeBytes + length;
  }

  #mappingSizeAt(at: number, left: number): number {
    const size = this.#typeBytes + MAPPING_HEADER;
    if (left < size) return MORE;
    const name = this.view.getUint32(at + 16, this.little);
    const good = this.hi(at + 8) === 0 && this.lo(at + 8) < MAX_IDS && name > 0 && name <= MAX_NAME;
    return good ? size + name : BROKEN;
  }

  protected hi(at: number): number {
    return this.view.getUint32(this.little ? at + 4 : at, this.little);
  }

  protected lo(at: number): number {
    return this.view.getUint32(this.little ? at : at + 4, this.little);
  }
}
