import { IommuError } from "../../base/errors.ts";
import { describeRecording, describeSimple, ForeignText, unknownEvents } from "./foreign-text.ts";
import { areTwins } from "./line-twins.ts";
import { isRecording, type Recording } from "./recording.ts";
import { TRACE_FORMATS } from "./trace-formats.ts";
import type { TraceFormat, TraceHandlers, TraceReader } from "./trace-reader.ts";

/** As long as no format is known, all of them read blocks of this many bytes. */
const BLOCK = 65_536;

/** A reader that may turn out to be the right one. */
interface Candidate {
  readonly format: TraceFormat;
  /** Is it known by the first bytes, and not by the first event? */
  readonly isBinary: boolean;
  readonly reader: TraceReader;
}

/**
 * Reads a trace of any format: a binary one is known by its first bytes, a text
 * by its first event, however much other text stands before that.
 */
export class TraceSource {
  readonly #name: string;
  readonly #handlers: TraceHandlers;
  /** Bytes that were not read yet, while no format is known. */
  #block: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(BLOCK);
  #blockBytes = 0;
  #candidates: readonly Candidate[] | undefined;
  readonly #foreign = new ForeignText();
  #chosen: Candidate | undefined;
  /** A recording that is no text, instead of all that. */
  #recording: Recording | undefined;
  /** Places where something is missing. */
  #gaps = 0;

  /** @param name of the file, for messages */
  constructor(name: string, handlers: TraceHandlers) {
    this.#name = name;
    this.#handlers = {
      ...handlers,
      gap: (gap) => {
        this.#gaps++;
        handlers.gap(gap);
      },
    };
  }

  /** Who is notified. */
  get handlers(): TraceHandlers {
    return this.#handlers;
  }

  /** Is it no text, so that its records have no lines? */
  get isBinary(): boolean {
    return this.#recording !== undefined || this.#chosen?.isBinary === true;
  }

  /** Is it a recording that shows that what was recorded on each CPU is there? A text never does. */
  get isWhole(): boolean {
    return this.#recording?.isWhole === true;
  }

  /** Names of other buffers of the recording, which are not read. */
  get otherBuffers(): readonly string[] {
    return this.#recording?.otherBuffers ?? [];
  }

  /** Known once the first event was read. */
  get format(): TraceFormat | undefined {
    return this.#recording === undefined ? this.#chosen?.format : "linux-dma";
  }

  get events(): number {
    return (this.#recording ?? this.#chosen?.reader)?.counts.events ?? 0;
  }

  /** Lines of a text that were read to their ends; undefined as long as it is not known to be one. */
  get lines(): number | undefined {
    return this.#chosen?.reader.lines;
  }

  /** Lines (of a binary trace: records) that are no event of ours. */
  get skipped(): number {
    if (this.#recording !== undefined) {
      const { damaged, other, kernel } = this.#recording.counts;
      return damaged + other + kernel;
    }
    return this.#chosen?.reader.skipped ?? 0;
  }

  /** CPUs of the machine, and entries of its buffer; 0 where the trace does not say. */
  get cpus(): number {
    return (this.#recording ?? this.#chosen?.reader)?.cpus ?? 0;
  }

  /** Lines of a text that are evidence of another kind. */
  get unread(): number {
    return this.#chosen?.reader.unread ?? 0;
  }

  get entries(): number {
    return this.#chosen?.reader.entries ?? 0;
  }

  /** What was read and left out; see the readers. */
  get counts(): Readonly<Record<string, number>> {
    if (this.#recording === undefined) return { ...this.#chosen?.reader.counts };
    return { ...this.#recording.counts, overwritten: this.#recording.overwritten };
  }

  /**
   * Reads a recording that is not read from its start to its end, instead of what is pushed: each step has read some more
   * of it.
   */
  async *follow(recording: Recording): AsyncGenerator<void> {
    this.#recording = recording;
    yield* recording.steps();
  }

  /** Reads more. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (this.#chosen === undefined && at < chunk.length) {
      const piece = chunk.subarray(at, at + BLOCK - this.#blockBytes);
      this.#block!.set(piece, this.#blockBytes);
      this.#blockBytes += piece.length;
      at += piece.length;
      if (this.#blockBytes === BLOCK) this.#look();
    }
    if (at < chunk.length) this.#chosen!.reader.push(at === 0 ? chunk : chunk.subarray(at));
  }

  /**
   * Ends the trace; what is missing of its end is a gap.
   *
   * @throws IommuError UNSUPPORTED if there was no event of ours: it says what was there, and what to do
   */
  end(): void {
    if (this.#recording !== undefined) {
      if (!this.#saysNothing) return;
      if (!this.#recording.names.areRecorded)
        throw unknownEvents(this.#name, describeRecording(this.#recording));
      this.#handlers.gap({
        kind: "empty",
        line: 0,
        message: "dma events were switched on for this recording, and none came",
      });
      return;
    }
    if (this.#chosen === undefined) this.#look();
    if (this.#chosen !== undefined) this.#chosen.reader.end();
    else for (const { reader } of this.#candidates!) reader.end();
    this.#chosen ??= this.#candidates!.find(({ reader }) => reader.kernelLines > 0);
    if (this.#chosen?.reader.found === true || (this.#chosen?.reader.kernelLines ?? 0) > 0) return;
    throw unknownEvents(this.#name, this.#describe());
  }

  /** Has a recording neither events of ours, nor what keeps from reading them? */
  get #saysNothing(): boolean {
    const { events, kernel, lostMarkers, damaged } = this.#recording!.counts;
    return events + kernel + lostMarkers + damaged + this.#gaps === 0;
  }

  #describe(): string {
    if (this.#chosen !== undefined) return describeSimple(this.skipped);
    this.#foreign.end();
    return this.#foreign.describe(this.#candidates!.flatMap(({ reader }) => reader.damagedLines));
  }

  /** Lets all formats that may be the right one read a block, until one finds an event. */
  #look(): void {
    const bytes = this.#block!.subarray(0, this.#blockBytes);
    this.#blockBytes = 0;
    this.#candidates ??= this.#begin(bytes);
    const standTwice = areTwins(bytes);
    for (const candidate of this.#candidates) {
      if (candidate.isBinary) this.#chosen = candidate;
      if (standTwice) candidate.reader.readTwinsOnce();
      candidate.reader.push(bytes);
      if (candidate.reader.found) this.#chosen = candidate;
      if (this.#chosen === undefined) continue;
      this.#block = undefined;
      return;
    }
    this.#foreign.push(bytes);
    const notifying = this.#candidates.filter(({ reader }) => reader.hasNotified);
    if (notifying.length > 0) this.#candidates = notifying;
  }

  #begin(head: Uint8Array): Candidate[] {
    const binary = TRACE_FORMATS.filter(({ begins }) => begins?.(head) === true);
    const formats = binary.length > 0 ? binary : TRACE_FORMATS.filter(({ begins }) => begins === undefined);
    return formats.map(({ format, begins, read }) => ({
      format,
      isBinary: begins !== undefined,
      reader: read(this.#handlers),
    }));
  }
}

/**
 * The format of a trace, from its bytes.
 *
 * @returns undefined if there is no event of ours. (Packed files are to be unpacked first.)
 * @public
 */
export function detectTraceFormat(bytes: Uint8Array): TraceFormat | undefined {
  if (isRecording(bytes)) return "linux-dma";
  const source = new TraceSource("trace", { qemu: () => {}, linux: () => {}, gap: () => {} });
  for (let at = 0; at < bytes.length && source.format === undefined; at += BLOCK) {
    source.push(bytes.subarray(at, at + BLOCK));
  }
  if (source.format !== undefined) return source.format;
  try {
    source.end();
  } catch (error) {
    if (!(error instanceof IommuError)) throw error;
  }
  return source.format;
}
