import { IommuError } from "../../base/errors.ts";
import { badRecording, type RandomBytes } from "../event-format/byte-reader.ts";
import { isTicking, RawClock } from "../event-format/raw-clock.ts";
import { RawEvents } from "../event-format/raw-events.ts";
import { isBefore, TimeHeap } from "../event-format/time-heap.ts";
import type { Recording } from "../trace/recording.ts";
import type { TraceHandlers } from "../trace/trace-reader.ts";
import { CpuCursor } from "./cpu-cursor.ts";
import { type CpuPages, cpuPages } from "./cpu-pages.ts";
import { type DatHead, readDatHead, WHAT } from "./dat-file.ts";
import type { DatBuffer } from "./dat-options.ts";

/** Bytes of pages that are in memory at a time, of all CPUs; of one CPU. */
const WINDOWS = 2 ** 25;
const MAX_WINDOW = 2 ** 18;

/** What a page of 64 KiB and one of its kind need. */
const MIN_WINDOW = 2 ** 16;

/** Places that are named of those where something is damaged. */
const MAX_DAMAGES = 20;

/** A top buffer that nobody used. */
const NO_BUFFER: DatBuffer = { name: "", clock: "", pageSize: 4096, cpus: [], isCompressed: false };

/** A CPU whose records are read. */
interface Cpu {
  readonly cursor: CpuCursor;
  readonly pages: CpuPages;
}

/**
 * Reads a trace.dat of trace-cmd: one of its buffers, the CPUs merged by time as `trace-cmd report` does it.
 *
 * In memory are some pages of each CPU, whatever the size of the file.
 */
export class TraceDat implements Recording {
  readonly names: RawEvents;
  readonly otherBuffers: readonly string[];
  readonly cpus: number;
  readonly #file: RandomBytes;
  readonly #head: DatHead;
  readonly #buffer: DatBuffer;
  readonly #handlers: TraceHandlers;
  #damages = 0;
  /** Could all data be read so far? */
  #isComplete = true;

  private constructor(file: RandomBytes, head: DatHead, buffer: DatBuffer, handlers: TraceHandlers) {
    this.#file = file;
    this.#head = head;
    this.#buffer = buffer;
    this.#handlers = handlers;
    this.names = new RawEvents(head.tracing, "<idle>", handlers);
    this.cpus = Math.max(head.options.cpus, buffer.cpus.length);
    this.otherBuffers = head.buffers
      .filter(({ cpus, name }) => name !== buffer.name && hasData(cpus))
      .map(nameOf);
  }

  /**
   * Reads what stands before the events.
   *
   * @param buffer by its name; undefined for the top one
   * @throws IommuError BAD_FILE, UNSUPPORTED or LIMIT_EXCEEDED with the offset; BAD_ARGUMENT if no buffer is called so
   */
  static async open(
    file: RandomBytes,
    buffer: string | undefined,
    handlers: TraceHandlers,
  ): Promise<TraceDat> {
    const head = await readDatHead(file);
    const chosen =
      head.buffers.find(({ name }) => name === (buffer ?? "")) ??
      // Nothing was recorded into the top one; `trace-cmd convert` leaves it out then.
      (buffer === undefined ? { ...NO_BUFFER, clock: head.options.clock } : undefined);
    if (chosen === undefined) {
      const names = head.buffers.map(nameOf).join(", ") || "none";
      throw new IommuError("BAD_ARGUMENT", `no buffer ${JSON.stringify(buffer)}: there are ${names}`, {
        buffer: buffer!,
      });
    }
    return new TraceDat(file, head, chosen, handlers);
  }

  get counts(): RawEvents["counts"] {
    return this.names.counts;
  }

  get others(): ReadonlyMap<string, number> {
    return this.names.others;
  }

  get isWhole(): boolean {
    return this.#head.options.hasStatistics && this.#isComplete;
  }

  /** By trace-cmd's own statistics; what is known to be lost at places of the recording is not counted again. */
  get overwritten(): number {
    const overruns = this.#head.options.overruns.get(this.#buffer.name) ?? 0;
    return Math.max(0, overruns - this.counts.lost);
  }

  async *steps(): AsyncGenerator<void> {
    const cpus = new Map<CpuCursor, Cpu>();
    for (const cpu of this.#open()) if (await this.#load(cpu)) cpus.set(cpu.cursor, cpu);
    yield;
    const cursors = [...cpus.keys()];
    this.names.clock = this.#clockOf(cursors);
    const heap = new TimeHeap<CpuCursor>();
    for (const cursor of cursors) {
      cursor.begin(this.names.clock);
      if (await this.#advance(cpus.get(cursor)!)) heap.add(cursor);
    }
    for (let cursor = heap.first; cursor !== undefined; cursor = heap.first) {
      if (this.#readUpTo(cursor, heap.second)) heap.moved();
      else {
        if (await this.#advance(cpus.get(cursor)!)) heap.moved();
        else heap.removeFirst();
        yield;
      }
    }
    const { missing } = this.#head;
    if (missing !== undefined)
      this.#handlers.gap({ kind: "torn", line: this.names.records, message: missing.message });
  }

  #open(): Cpu[] {
    const { littleEndian, tracing, unpack } = this.#head;
    const { cpus, pageSize } = this.#buffer;
    const used = cpus.filter(({ size }) => size > 0);
    const window = Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, WINDOWS / used.length));
    return used.map((data, index) => ({
      cursor: new CpuCursor(
        { cpu: data.cpu, index, littleEndian },
        tracing.page,
        pageSize,
        (offset, message) => this.#damage(offset, message),
      ),
      pages: cpuPages(this.#file, WHAT, this.#buffer, data, {
        littleEndian,
        unpack,
        window,
        onEnd: (offset, reason) => this.#gap("torn", offset, reason),
      }),
    }));
  }

  /** Goes to the next record of a CPU; false if there is none. */
  async #advance(cpu: Cpu): Promise<boolean> {
    while (!cpu.cursor.advance()) if (!(await this.#load(cpu))) return false;
    return true;
  }

  /** Reads more pages; a CPU whose pages cannot be read ends there. */
  async #load({ cursor, pages }: Cpu): Promise<boolean> {
    try {
      const next = await pages.next();
      if (next !== undefined) cursor.take(next);
      return next !== undefined;
    } catch (error) {
      if (!(error instanceof IommuError) || typeof error.details.offset !== "number") throw error;
      this.#isComplete = false;
      this.#handlers.gap({ kind: "damaged", line: this.names.records, message: error.message });
      return false;
    }
  }

  /** Reads the records of a CPU before another one's turn; false if it needs more pages. */
  #readUpTo(cursor: CpuCursor, next: CpuCursor | undefined): boolean {
    const raw = this.names;
    do {
      if (cursor.lost >= 0) {
        raw.lose(cursor.cpu, cursor.lost);
        cursor.lost = -1;
      }
      raw.read(cursor, cursor.start, cursor.end, cursor.cpu, cursor.time);
      if (!cursor.advance()) return false;
    } while (next === undefined || isBefore(cursor, next));
    return true;
  }

  #clockOf(cursors: readonly CpuCursor[]): RawClock {
    const { options } = this.#head;
    const first = cursors.reduce<bigint | undefined>(
      // A page of zeros has none.
      (least, { firstTime }) =>
        firstTime > 0n && (least === undefined || firstTime < least) ? firstTime : least,
      undefined,
    );
    const clock = this.#buffer.clock === "" ? options.clock : this.#buffer.clock;
    return new RawClock(first ?? 0n, isTicking(clock), options.shift, options.scale);
  }

  #damage(offset: number, message: string): void {
    if (this.#damages++ < MAX_DAMAGES) this.#gap("damaged", offset, message);
  }

  #gap(kind: "torn" | "damaged", offset: number, message: string): void {
    this.#isComplete = false;
    this.#handlers.gap({
      kind,
      line: this.names.records,
      message: badRecording(WHAT, offset, message).message,
    });
  }
}

const hasData = (cpus: DatBuffer["cpus"]): boolean => cpus.some(({ size }) => size > 0);

const nameOf = ({ name }: { readonly name: string }): string => (name === "" ? "the top one" : name);
