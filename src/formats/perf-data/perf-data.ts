import { IommuError } from "../../base/errors.ts";
import { TWO32, toBig } from "../../base/u64.ts";
import { counted } from "../../base/units.ts";
import { badRecording, type RandomBytes, textOf } from "../event-format/byte-reader.ts";
import { RawClock } from "../event-format/raw-clock.ts";
import { RawEvents } from "../event-format/raw-events.ts";
import { Zstd, type ZstdStream } from "../input/zstd.ts";
import type { Recording } from "../trace/recording.ts";
import type { TraceHandlers } from "../trace/trace-reader.ts";
import { EventQueue } from "./event-queue.ts";
import { type PerfHead, readPerfHead, WHAT } from "./perf-head.ts";
import { PiecePool, type RecordPiece } from "./record-piece.ts";
import { RecordStream } from "./record-stream.ts";
import {
  hasIdentifier,
  layoutsOf,
  RECORD_HEAD,
  type SampleLayout,
  type SampleParts,
  wordAt,
} from "./sample-layout.ts";

/** Bytes that are read at a time. */
const BLOCK = 2 ** 17;

/** Types of records. */
const LOST = 2;
const COMM = 3;
const FORK = 7;
const SAMPLE = 9;
const LOST_SAMPLES = 13;
const FINISHED_ROUND = 68;
const COMPRESSED = 81;
const COMPRESSED_2 = 83;

/** Those that are kept until their time comes, beside samples. */
const TIMED: readonly number[] = [LOST, COMM, FORK];

const KEY_BYTES = 8;
/** Numbers of events that are places of a list; the kernel gives them out in order. */
const SMALL_IDS = 65_536;

/** Threads whose names are kept. */
const MAX_THREADS = 2 ** 20;

/**
 * Reads a perf.data of `perf record`, a file or what it wrote to a pipe, packed (`-z`) or not: tracepoints with their
 * stacks, in the order of time.
 *
 * In memory are the records that wait for their turn, at most 32 MiB.
 */
export class PerfData implements Recording {
  readonly names: RawEvents;
  readonly otherBuffers: readonly string[] = [];
  readonly cpus = 0;
  readonly isWhole = false;
  readonly #file: RandomBytes;
  readonly #head: PerfHead;
  readonly #handlers: TraceHandlers;
  readonly #queue: EventQueue;
  /** By the numbers of events, in two forms; and what a record without a number has. */
  readonly #layouts = new Map<number, SampleLayout>();
  readonly #smallLayouts: (SampleLayout | undefined)[] = [];
  readonly #layout: SampleLayout;
  readonly #hasIdentifier: boolean;
  readonly #parts: SampleParts = { cpu: -1, chain: 0, chainEnd: 0, raw: 0, rawEnd: 0 };
  readonly #outer: RecordStream;
  /** Records that were packed. */
  readonly #inner: RecordStream;
  #unpacked: ZstdStream | undefined;
  /** Why its records end before their end. */
  #stop: { readonly kind: "torn" | "damaged"; readonly offset: number; readonly reason: string } | undefined;
  #names = new Map<number, string>();
  /** Samples that perf counted as lost at its end. */
  #lostSamples = 0;
  #hasBegun = false;
  /** The first time, in halves. */
  #hi = 0;
  #lo = 0;

  private constructor(file: RandomBytes, head: PerfHead, handlers: TraceHandlers) {
    this.#file = file;
    this.#head = head;
    this.#handlers = handlers;
    this.names = new RawEvents(head.tracing, "swapper", handlers);
    const pool = new PiecePool(head.littleEndian);
    this.#queue = new EventQueue(pool, (piece, start, end, time, layout) =>
      layout === undefined
        ? this.#handleOther(piece, start, end)
        : this.#handleSample(piece, start, end, time, layout),
    );
    const layouts = layoutsOf(head.events);
    for (const [id, event] of head.byId) {
      this.#layouts.set(id, layouts.get(event)!);
      if (id < SMALL_IDS) this.#smallLayouts[id] = layouts.get(event)!;
    }
    const first = head.events.find(({ isTracepoint }) => isTracepoint) ?? head.events[0];
    if (first === undefined) throw badRecording(WHAT, 0, "no events were recorded", "UNSUPPORTED");
    this.#layout = layouts.get(first)!;
    this.#hasIdentifier = head.events.every(hasIdentifier);
    const take = (piece: RecordPiece, start: number, end: number, type: number): void =>
      this.#take(piece, start, end, type);
    this.#outer = new RecordStream(pool, head.offset, take);
    this.#inner = new RecordStream(pool, 0, take);
  }

  /**
   * Reads what stands before the records.
   *
   * @throws IommuError BAD_FILE, UNSUPPORTED or LIMIT_EXCEEDED with the offset
   */
  static async open(file: RandomBytes, littleEndian: boolean, handlers: TraceHandlers): Promise<PerfData> {
    const head = await readPerfHead(file, littleEndian);
    const recording = new PerfData(file, head, handlers);
    if (head.isPacked) recording.#unpacked = (await Zstd.load()).stream();
    return recording;
  }

  get counts(): RawEvents["counts"] {
    return this.names.counts;
  }

  get others(): ReadonlyMap<string, number> {
    return this.names.others;
  }

  /** Samples that perf counted as lost, and said nowhere where. */
  get overwritten(): number {
    return Math.max(0, this.#lostSamples - this.counts.lost);
  }

  async *steps(): AsyncGenerator<void> {
    const { offset, end } = this.#head;
    let at = offset;
    while (at < end && this.#outer.failure === undefined) {
      const bytes = await this.#file.read(at, Math.min(BLOCK, end - at));
      if (bytes.length === 0) break;
      at += bytes.length;
      if (!this.#tryPush(bytes)) break;
      yield;
    }
    this.#endPacked();
    const failure = this.#outer.failure ?? this.#inner.failure;
    const isTorn = this.#outer.rest > 0 || (at < end && end !== Number.MAX_SAFE_INTEGER);
    if (failure !== undefined) this.#stop = { kind: "damaged", ...failure };
    else if (isTorn)
      this.#stop ??= {
        kind: "torn",
        offset: this.#outer.offset,
        reason: "the file ends here, within its records",
      };
    // Between two records a pipe may end anywhere, but perf ends the round that it has begun.
    else if (end === Number.MAX_SAFE_INTEGER && this.#queue.isWithinRound)
      this.#stop ??= {
        kind: "torn",
        offset: this.#outer.offset,
        reason: "the recording ends here, within a round of perf's reading of all CPUs",
      };
    const left = this.#queue.end(this.#stop === undefined);
    if (this.#stop === undefined) return;
    const { kind, reason } = this.#stop;
    const leftOut =
      left === 0 ? "" : `; ${counted(left, "record")} before that left out: those of other CPUs are missing`;
    const { message } = badRecording(WHAT, this.#stop.offset, `${reason}${leftOut}`);
    this.#handlers.gap({ kind, line: this.names.records, message });
  }

  /** Reads records; false if what is packed in them is damaged. */
  #tryPush(bytes: Uint8Array): boolean {
    try {
      this.#outer.push(bytes);
      return true;
    } catch (error) {
      if (!(error instanceof IommuError)) throw error;
      this.#unpacked = undefined;
      this.#stop = { kind: "damaged", offset: this.#outer.offset, reason: error.message };
      return false;
    }
  }

  #endPacked(): void {
    if (this.#unpacked === undefined) return;
    try {
      for (const piece of this.#unpacked.end()) this.#inner.push(piece);
    } catch (error) {
      if (!(error instanceof IommuError)) throw error;
      // perf does not end its frame.
      if (error.details.early === undefined)
        this.#stop = { kind: "damaged", offset: this.#outer.offset, reason: error.message };
    }
  }

  #take(piece: RecordPiece, start: number, end: number, type: number): void {
    if (type === SAMPLE) this.#enqueueSample(piece, start, end);
    else if (type === FINISHED_ROUND) this.#queue.round();
    else if (TIMED.includes(type)) this.#enqueueOther(piece, start, end, type);
    else if (type === COMPRESSED) this.#unpack(piece.bytes.subarray(start + RECORD_HEAD, end));
    else if (type === COMPRESSED_2 && end - start >= RECORD_HEAD + 8) {
      const size = Math.min(wordAt(piece, start + RECORD_HEAD), end - start - RECORD_HEAD - 8);
      this.#unpack(piece.bytes.subarray(start + RECORD_HEAD + 8, start + RECORD_HEAD + 8 + size));
    } else if (type === LOST_SAMPLES && end - start >= RECORD_HEAD + 8)
      this.#lostSamples += wordAt(piece, start + RECORD_HEAD);
  }

  #unpack(packed: Uint8Array): void {
    if (this.#unpacked === undefined)
      throw new IommuError("BAD_FILE", "a packed record, and the head says nothing of such");
    for (const piece of this.#unpacked.push(packed)) this.#inner.push(piece);
  }

  #enqueueSample(piece: RecordPiece, start: number, end: number): void {
    const layout = this.#layoutOf(piece, start, end);
    if (layout?.isTracepoint !== true || layout.time < 0 || start + layout.time + 8 > end) return;
    this.#enqueue(piece, start, end, start + layout.time, layout);
  }

  #enqueueOther(piece: RecordPiece, start: number, end: number, type: number): void {
    const { trailerTime } = this.#layout;
    if (trailerTime < 0 || start + RECORD_HEAD + trailerTime > end) return;
    this.#enqueue(piece, start, end, end - trailerTime, undefined);
    if (!this.#hasBegun) this.#setName(piece, start, end, type);
  }

  /**
   * @param at place of the time, which is within the record
   * @param layout of a sample
   */
  #enqueue(
    piece: RecordPiece,
    start: number,
    end: number,
    at: number,
    layout: SampleLayout | undefined,
  ): void {
    const { view, littleEndian } = piece;
    const hi = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
    const lo = view.getUint32(littleEndian ? at : at + 4, littleEndian);
    // The records that perf makes up itself have no time.
    const isTimed = (hi | lo) !== 0;
    if (!this.#hasBegun && isTimed) this.#begin(hi, lo);
    if (!this.#hasBegun) return;
    const time = isTimed ? (hi - this.#hi) * TWO32 + (lo - this.#lo) : Number.NEGATIVE_INFINITY;
    this.#queue.add(piece, start, end, time, layout);
  }

  /** The first time. */
  #begin(hi: number, lo: number): void {
    this.#hasBegun = true;
    this.#hi = hi;
    this.#lo = lo;
    this.names.clock = new RawClock(toBig(hi, lo), false);
  }

  #layoutOf(piece: RecordPiece, start: number, end: number): SampleLayout | undefined {
    if (!this.#hasIdentifier) return this.#layout;
    if (start + RECORD_HEAD + KEY_BYTES > end) return undefined;
    const { view, littleEndian } = piece;
    const at = start + RECORD_HEAD;
    const hi = view.getInt32(littleEndian ? at + 4 : at, littleEndian);
    const lo = view.getInt32(littleEndian ? at : at + 4, littleEndian);
    if (hi === 0 && lo >= 0 && lo < SMALL_IDS) return this.#smallLayouts[lo];
    return this.#layouts.get(wordAt(piece, at));
  }

  /** It is a record's turn. */
  #handleOther(piece: RecordPiece, start: number, end: number): void {
    const type = piece.view.getUint32(start, piece.littleEndian);
    if (type === LOST) this.#handleLost(piece, start, end);
    else this.#setName(piece, start, end, type);
  }

  /** It is a sample's turn. */
  #handleSample(piece: RecordPiece, start: number, end: number, time: number, layout: SampleLayout): void {
    const parts = this.#parts;
    if (!layout.find(piece, start, end, parts)) {
      this.counts.damaged++;
      return;
    }
    this.names.read(piece, parts.raw, parts.rawEnd, parts.cpu, time);
    if (parts.chain < parts.chainEnd) this.names.readStack(piece, parts.chain, parts.chainEnd, parts.cpu);
  }

  #handleLost(piece: RecordPiece, start: number, end: number): void {
    const cpuAt = end - this.#layout.trailerCpu;
    const hasCpu = this.#layout.trailerCpu > 0 && cpuAt >= start + RECORD_HEAD + 16;
    if (end - start < RECORD_HEAD + 16) return;
    const cpu = hasCpu ? piece.view.getUint32(cpuAt, piece.littleEndian) : -1;
    this.names.lose(cpu, wordAt(piece, start + RECORD_HEAD + 8));
  }

  /** A thread has a name (`COMM`), or is made and has that of its maker (`FORK`). */
  #setName({ bytes, view, littleEndian }: RecordPiece, start: number, end: number, type: number): void {
    if (end - start < RECORD_HEAD + 16) return;
    let name: string | undefined;
    let thread = view.getUint32(start + RECORD_HEAD + 4, littleEndian);
    if (type === COMM) {
      const from = start + RECORD_HEAD + 8;
      const nul = bytes.subarray(from, end).indexOf(0);
      name = textOf(bytes.subarray(from, nul < 0 ? end : from + nul));
    } else if (type === FORK) {
      thread = view.getUint32(start + RECORD_HEAD + 8, littleEndian);
      name = this.#names.get(view.getUint32(start + RECORD_HEAD + 12, littleEndian));
    }
    if (name === undefined || name === "" || this.#names.size > MAX_THREADS) return;
    this.#names.set(thread, name);
    this.names.setTask(thread, name);
  }
}
