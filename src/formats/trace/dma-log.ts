import { DmaArguments } from "./dma-arguments.ts";
import { LinuxDmaEvent } from "./dma-event.ts";
import { DMA_EVENT_NAMES, DMA_LOST } from "./dma-kinds.ts";
import { OriginReader } from "./dma-origin.ts";
import { type DamagedLine, keepDamaged, LineReader } from "./line-reader.ts";
import { NumberReader } from "./number-reader.ts";
import { encode, NameTable, startsWith, WordSet } from "./words.ts";

/** An event is smaller than a page of 64 KiB; as text of bytes it has up to four times as much, and its context. */
const MAX_LINE = 1 << 20;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const HASH = 0x23;
const SLASH = 0x2f;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const UNDERSCORE = 0x5f;

const NAMES = new WordSet(DMA_EVENT_NAMES);
const NAME_START = encode("dma_");
/** How far the start of a name can be moved on, by the byte that its last one meets. */
const SKIP = new Uint8Array(256).fill(NAME_START.length);
NAME_START.subarray(0, -1).forEach((byte, i) => {
  SKIP[byte] = NAME_START.length - 1 - i;
});
const LONGEST_NAME = Math.max(...DMA_EVENT_NAMES.map(({ length }) => length));
/** perf writes the system's name before that of the event. */
const SYSTEM = encode("dma:");
const CPU_OF_LOST = encode("CPU:");
const LOST_WORD = encode("LOST ");
const BUFFER_STARTED = encode("##### CPU ");
const ENTRIES = encode("# entries-in-buffer/entries-written: ");
const CPUS = encode("cpus=");

/** What a {@link DmaLogReader} read and what it left out. Every line is counted once. */
export interface DmaCounts {
  /** Lines that became events. */
  events: number;
  /** Lines of other events, and other text. */
  other: number;
  /** Lines of the file's head, and empty ones. */
  comments: number;
  /** Lines that name a `dma` event and do not read as one. */
  damaged: number;
  /** Lines too long to be kept. */
  long: number;
  /** 1 if the last line has no line end. It is left out. */
  torn: number;
  /** Lines that say that events of a CPU are missing, and how many these were where they say that. */
  lostMarkers: number;
  lost: number;
  /** Events that had left the buffer before it was read, by its head. */
  overwritten: number;
}

/**
 * Reads Linux' `dma:*` trace events as text: of the kernel's `trace` and
 * `trace_pipe` with their options, of `trace-cmd report` and of `perf script`.
 * Each line tells its form, so that they may be mixed.
 */
export class DmaLogReader extends LineReader {
  readonly counts: DmaCounts = {
    events: 0,
    other: 0,
    comments: 0,
    damaged: 0,
    long: 0,
    torn: 0,
    lostMarkers: 0,
    lost: 0,
    overwritten: 0,
  };
  /** The first few damaged lines. */
  readonly damagedLines: DamagedLine[] = [];
  /** Devices and tasks that occur; an event has their numbers. */
  readonly devices: NameTable = new NameTable();
  readonly tasks: NameTable = new NameTable();
  readonly #event = new LinuxDmaEvent();
  readonly #origin = new OriginReader(this.#event, this.tasks);
  readonly #arguments = new DmaArguments(this.#event, this.devices);
  readonly #numbers = new NumberReader();
  readonly #onEvent: (event: LinuxDmaEvent) => void;

  /** @param onEvent called for each event, always with the same object */
  constructor(onEvent: (event: LinuxDmaEvent) => void) {
    super(MAX_LINE);
    this.#onEvent = onEvent;
  }

  protected override readLines(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      this.line++;
      if (newline - at >= this.maxLine) this.counts.long++;
      else this.#readLine(bytes, at, newline > at && bytes[newline - 1] === RETURN ? newline - 1 : newline);
      at = newline + 1;
    }
  }

  protected override longLine(): void {
    this.counts.long++;
  }

  protected override tornLine(): void {
    this.counts.torn++;
  }

  #readLine(bytes: Uint8Array, start: number, end: number): void {
    const event = this.#event;
    const name = bytes[start] === HASH ? -1 : this.#findName(bytes, start, end);
    if (name < 0) {
      this.#readOther(bytes, start, end);
      return;
    }
    const perf = name > start && bytes[name - 1] === COLON;
    const origin = this.#origin.read(bytes, start, perf ? name - SYSTEM.length : name);
    if (!origin) {
      this.counts.other++;
      return;
    }
    const colon = name + DMA_EVENT_NAMES[event.kind]!.length;
    if (!this.#arguments.read(bytes, colon + 1, end)) {
      this.counts.damaged++;
      keepDamaged(this.damagedLines, this.line, bytes, start, end);
      return;
    }
    event.number = this.counts.events++;
    event.line = this.line;
    this.#onEvent(event);
  }

  /** Finds the name of a `dma` event, sets the event's kind, and returns where it begins, or -1. */
  #findName(bytes: Uint8Array, start: number, end: number): number {
    const last = NAME_START.length - 1;
    for (let at = start; at + last < end; at += SKIP[bytes[at + last]!]!) {
      if (bytes[at + last] !== UNDERSCORE || !startsWith(bytes, at, NAME_START)) continue;
      if (at > start && !isBefore(bytes, start, at)) continue;
      const limit = Math.min(end, at + LONGEST_NAME + 1);
      let colon = at + NAME_START.length;
      while (colon < limit && bytes[colon] !== COLON) colon++;
      const kind = colon < limit ? NAMES.find(bytes, at, colon) : -1;
      if (kind < 0) continue;
      this.#event.kind = kind;
      return at;
    }
    return -1;
  }

  #readOther(bytes: Uint8Array, start: number, end: number): void {
    if (startsWith(bytes, start, CPU_OF_LOST)) this.#readLost(bytes, start, end);
    else if (startsWith(bytes, start, BUFFER_STARTED)) {
      this.counts.comments++;
      this.#numbers.decimal(bytes, start + BUFFER_STARTED.length);
      this.#emitLost(this.#numbers.lo, 0);
    } else if (bytes[start] === HASH || start === end || startsWith(bytes, start, CPUS)) {
      this.counts.comments++;
      if (startsWith(bytes, start, ENTRIES)) this.#readEntries(bytes, start + ENTRIES.length);
    } else this.counts.other++;
  }

  /** `CPU:1 [LOST 619 EVENTS]`, of trace-cmd `CPU:1 [619 EVENTS DROPPED]`; the number may be missing. */
  #readLost(bytes: Uint8Array, start: number, end: number): void {
    const after = this.#numbers.decimal(bytes, start + CPU_OF_LOST.length);
    const cpu = this.#numbers.lo;
    if (after < 0 || after + 2 > end || bytes[after] !== SPACE || bytes[after + 1] !== OPEN_BRACKET) {
      this.counts.other++;
      return;
    }
    const lost = startsWith(bytes, after + 2, LOST_WORD) ? LOST_WORD.length : 0;
    const known = this.#numbers.decimal(bytes, after + 2 + lost) >= 0;
    this.#emitLost(cpu, known ? this.#numbers.lo : 0);
  }

  #emitLost(cpu: number, count: number): void {
    const event = this.#event;
    event.clear();
    event.kind = DMA_LOST;
    event.number = this.counts.events;
    event.line = this.line;
    event.seconds = Number.NaN;
    event.nanoseconds = 0;
    event.cpu = cpu;
    event.pid = -1;
    event.task = -1;
    event.device = -1;
    event.size = count;
    this.counts.lostMarkers++;
    this.counts.lost += count;
    this.#onEvent(event);
  }

  /** `1907/4636`: entries that are left, and all that were written. */
  #readEntries(bytes: Uint8Array, at: number): void {
    const slash = this.#numbers.decimal(bytes, at);
    const left = this.#numbers.lo;
    if (slash < 0 || bytes[slash] !== SLASH || this.#numbers.decimal(bytes, slash + 1) < 0) return;
    this.counts.overwritten = Math.max(0, this.#numbers.lo - left);
  }
}

/** May an event's name follow here: a blank, or perf's `dma:`? */
function isBefore(bytes: Uint8Array, start: number, at: number): boolean {
  if (bytes[at - 1] === SPACE) return true;
  const system = at - SYSTEM.length;
  return system >= start && startsWith(bytes, system, SYSTEM);
}
