import { TRACE_PREFIX } from "../../spapr/trace-events.ts";
import { HEAD, NANOSECONDS, NEXT, NEXT_RECORD, SECONDS, TIME } from "../lines/line-matcher.ts";
import { readBackendOrigin } from "./backend-origin.ts";
import { carriedLines } from "./carried-lines.ts";
import { EventLines } from "./event-lines.ts";
import { EventText } from "./event-text.ts";
import { beginsHostLine, type HostEvent, readHostLine } from "./host-event.ts";
import { LogWriters } from "./log-writers.ts";
import { QemuLines } from "./qemu-lines.ts";
import { isBlank, isDressed, isSpread } from "./shown-text.ts";
import { QemuTraceEvent, XLATE } from "./trace-event.ts";
import { UnreadEvidence } from "./unread-evidence.ts";
import { encode, startsWith, TextSearch } from "./words.ts";

/** No event of QEMU has lines this long; strings in other events' text may. */
const MAX_LINE = 65_536;

/** Digits of a thread and of seconds that keep a number exact. */
const MAX_DIGITS = 15;

/** What is left of the mask of a page of 4 KiB that is cut. */
const CUT_MASK = 0xff;
const CUTTER_MASK = 0xf;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const AT = 0x40;
const UNDERSCORE = 0x5f;
const LETTER_S = 0x73;

const VFIO = encode("vfio_");
/** What messages have in them that tell of the host's side, and events behind a logger's prefix. */
const HOST_WORDS = [
  "vfio_",
  "VFIO_",
  "a window, ret",
  "SPAPR window",
  "IOVA region",
  "Host doesn't",
  "Memory registering",
].map((word) => new TextSearch(word));
/** Longest line of them that is read. */
const MAX_HOST_LINE = 1000;

const PREFIX_SEARCH = new TextSearch(TRACE_PREFIX);

/** What a {@link QemuLogReader} read and what it left out. Every line is counted once. */
export interface LogCounts {
  /** Lines that became events. */
  events: number;
  /** Lines that tell of the host's side: `vfio_*` events, and messages of calls that failed. */
  hostEvents: number;
  /** Lines of other trace events. */
  otherEvents: number;
  /** Lines that are no trace events, such as QEMU's own messages. */
  text: number;
  /** Lines that name an `spapr_iommu_*` event and do not read as one: torn, or written into one another. */
  damaged: number;
  /** Lines too long to be kept. */
  long: number;
  /** 1 if the last line has no line end. It is left out, since nothing says whether it is whole. */
  torn: number;
  /** Lines that stand twice, each of which is read once. */
  twins: number;
  /** Events that are left out, since several QEMUs write the log, and nothing says whose an event is. */
  mixed: number;
}

/**
 * Reads the text that QEMU's log trace backend writes, with or without
 * `-msg timestamp=on`. An event may stand after what a logger puts before
 * lines, or after text of a console that had no line end.
 *
 * Times are those of the day, in microseconds.
 */
export class QemuLogReader extends EventLines {
  readonly counts: LogCounts = {
    events: 0,
    hostEvents: 0,
    otherEvents: 0,
    text: 0,
    damaged: 0,
    long: 0,
    torn: 0,
    twins: 0,
    mixed: 0,
  };
  readonly #event = new QemuTraceEvent();
  readonly #text = new EventText(this.#event);
  readonly #lines = new QemuLines(this.#event, this.matched);
  /** Says that from here on several QEMUs write the log; empty if not. */
  mixed = "";
  /** Line of the first of their events that is left out; 0 if there is none. */
  mixedAt = 0;
  /** What Linux says of DMA between QEMU's events. */
  readonly unread: UnreadEvidence = new UnreadEvidence("linux");
  readonly #writers = new LogWriters();
  readonly #onEvent: (event: QemuTraceEvent) => void;
  readonly #onHost: (event: HostEvent) => void;
  /** Process of the event, by what a logger put before it; -1 if it does not tell. */
  #process = -1;
  /**
   * Does the event have a thread, a time or a process? Most logs have none.
   *
   * Invariant *origin*: if not, the event's thread and time are NaN, and the process is -1.
   */
  #hasOrigin = false;
  /** Does the broken line end in a name, of which nothing says that it is an event's? */
  #isBareName = false;

  /**
   * @param onEvent called for each event, always with the same object
   * @param onHost called for what tells of the host's side
   */
  constructor(onEvent: (event: QemuTraceEvent) => void, onHost: (event: HostEvent) => void = () => {}) {
    super(MAX_LINE);
    this.#onEvent = onEvent;
    this.#onHost = onHost;
  }

  protected override readEvents(bytes: Uint8Array, start: number, end: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = start; at < end; ) {
      at = this.#readAgain(bytes, at, end);
      if (at < end) at = this.#readLine(bytes, view, at);
    }
  }

  /** Reads lines that differ from lines before only in numbers; returns where the first begins that does not. */
  #readAgain(bytes: Uint8Array, start: number, end: number): number {
    const { matcher } = this.matched;
    if (matcher === undefined) return start;
    const { records } = matcher;
    const first = this.line;
    let at = start;
    let stop = 0;
    do {
      stop = matcher.findLines(at, end, false);
      at = this.readFound(bytes, at, records, 0, stop);
    } while (at < end && records[stop + NEXT] !== 0);
    this.matched.found(this.line - first);
    return at;
  }

  protected override readFound(
    _bytes: Uint8Array,
    start: number,
    records: Uint32Array,
    first: number,
    stop: number,
  ): number {
    let at = start;
    for (let record = first; record < stop; record = first + records[record + NEXT_RECORD]!) {
      at = records[record + NEXT]!;
      this.#lines.readAgain(records, record);
      if (records[record + TIME] !== 0) this.#takeOrigin(records, record);
      else if (this.#hasOrigin) this.#forgetOrigin();
      this.line++;
      if (this.broken.line > 0) this.giveUp();
      this.#emit(this.line);
    }
    return at;
  }

  /** Reads a line from its beginning; returns where the next one begins. */
  #readLine(bytes: Uint8Array, view: DataView, at: number): number {
    this.line++;
    const first = bytes[at]!;
    const name = first >= ZERO && first < COLON ? this.#readOrigin(bytes, at) : this.#noOrigin(at);
    const next = bytes[name] === LETTER_S ? this.#readText(bytes, view, name) : -1;
    if (next < 0) return this.#passOther(bytes, view, at);
    this.#lines.keep(this.#text, bytes, name, next);
    if (this.broken.line > 0) this.giveUp();
    this.#emit(this.line);
    return next;
  }

  /** Reads a line that does not begin with an event; returns where the next line begins. */
  #passOther(bytes: Uint8Array, view: DataView, at: number): number {
    const newline = bytes.indexOf(NEWLINE, at);
    if (newline - at >= this.maxLine) this.counts.long++;
    else this.#readOther(bytes, view, at, newline);
    return newline + 1;
  }

  /** A line may go on in the next one. */
  #open(bytes: Uint8Array, start: number, newline: number, isBareName: boolean): void {
    this.broken.open(this.line, bytes, start, newline);
    this.#isBareName = isBareName;
  }

  protected override giveUp(): void {
    if (!this.#isBareName) super.giveUp();
    else if (this.broken.line > 0) {
      this.counts.text++;
      this.broken.close();
    }
  }

  #emit(line: number): void {
    const event = this.#event;
    if (this.#isMixed()) {
      this.counts.mixed++;
      return;
    }
    event.number = this.counts.events++;
    event.position = line;
    this.#onEvent(event);
  }

  /** Is nothing known any more of whose events these are? */
  #isMixed(): boolean {
    return this.mixedAt > 0 || (this.#hasOrigin && this.#isOfAnother());
  }

  /** Is this event, of which something tells the origin, the first one of another QEMU? */
  #isOfAnother(): boolean {
    const writers = this.#writers;
    const process = this.#process;
    const other = process < 0 ? -1 : writers.otherProcess(process);
    if (other >= 0) {
      this.#setMixed(`processes ${process} and ${other}), and each is to be judged alone: grep its lines`);
    } else if (!Number.isNaN(this.#event.thread) && writers.areTwo(this.#event)) {
      const { before, main } = writers;
      this.#setMixed(
        `threads ${before} and ${main} make tables): nothing says whose an event is, and each needs a log of its own (-D)`,
      );
    }
    return this.mixedAt > 0;
  }

  #setMixed(why: string): void {
    this.mixedAt = this.line;
    this.mixed = `several QEMUs write one log at the same time (${why}`;
  }

  /** Reads `tid@seconds.microseconds:`; returns where it ends, or `at` if it is something else. */
  #readOrigin(bytes: Uint8Array, at: number): number {
    let position = at;
    let thread = 0;
    for (; isDigit(bytes[position]!); position++) thread = thread * 10 + bytes[position]! - ZERO;
    if (bytes[position] !== AT || position > at + MAX_DIGITS) return this.#noOrigin(at);
    const secondsAt = ++position;
    let seconds = 0;
    for (; isDigit(bytes[position]!); position++) seconds = seconds * 10 + bytes[position]! - ZERO;
    if (bytes[position] !== DOT || position > secondsAt + MAX_DIGITS) return this.#noOrigin(at);
    const fractionAt = ++position;
    let microseconds = 0;
    for (; isDigit(bytes[position]!); position++) microseconds = microseconds * 10 + bytes[position]! - ZERO;
    if (bytes[position] !== COLON || position !== fractionAt + 6) return this.#noOrigin(at);
    this.#setOrigin(thread, seconds, microseconds * 1000);
    return position + 1;
  }

  #takeOrigin(records: Uint32Array, record: number): void {
    this.#setOrigin(records[record + HEAD]!, records[record + SECONDS]!, records[record + NANOSECONDS]!);
  }

  #setOrigin(thread: number, seconds: number, nanoseconds: number): void {
    const event = this.#event;
    event.thread = thread;
    event.seconds = seconds;
    event.nanoseconds = nanoseconds;
    this.#process = -1;
    this.#hasOrigin = true;
  }

  #noOrigin(at: number): number {
    if (this.#hasOrigin) this.#forgetOrigin();
    return at;
  }

  #forgetOrigin(): void {
    this.#hasOrigin = false;
    this.#event.thread = Number.NaN;
    this.#event.seconds = Number.NaN;
    this.#event.nanoseconds = 0;
    this.#process = -1;
  }

  /** Reads a line that does not begin with an event. */
  #readOther(bytes: Uint8Array, view: DataView, start: number, newline: number): void {
    const carried = carriedLines(bytes, start, newline);
    if (carried !== undefined) {
      for (const line of carried) this.#readOther(line.bytes, viewOf(line.bytes), 0, line.length);
      return;
    }
    const name = this.#findEvent(bytes, start, newline);
    if (name >= 0) {
      this.giveUp();
      if (this.#readInside(bytes, view, start, name)) this.#emit(this.line);
      else if (!this.#readPlain(bytes, start, newline)) {
        this.#open(bytes, start, newline, name > start && this.#text.isName(bytes, name, newline));
      }
    } else if (!this.#readPlain(bytes, start, newline) && !this.#goOn(bytes, start, newline)) {
      this.#count(bytes, start, newline);
    }
  }

  /** Reads an event that stands inside of a line, with thread and time before it, or those of the line's prefix. */
  #readInside(bytes: Uint8Array, view: DataView, start: number, name: number): boolean {
    const { prefix } = this;
    prefix.skip(bytes, start, name);
    const origin = originBefore(bytes, start, name);
    if (origin < 0 || this.#readOrigin(bytes, origin) !== name) {
      const { thread, seconds, nanoseconds } = readBackendOrigin(bytes, start, name) ?? prefix;
      this.#event.thread = thread;
      this.#event.seconds = seconds;
      this.#event.nanoseconds = nanoseconds;
      this.#hasOrigin = true;
    }
    this.#process = prefix.process;
    return this.#readText(bytes, view, name) >= 0;
  }

  /** The same, of a line that is nothing else before. */
  #readText(bytes: Uint8Array, view: DataView, name: number): number {
    this.#lines.readOther();
    const next = this.#text.read(bytes, view, name);
    // No page is so small: a terminal has broken the number, which is the last one of its line.
    const { kind, mask } = this.#event;
    return kind === XLATE && (mask === CUT_MASK || mask === CUTTER_MASK) ? -1 : next;
  }

  /** Reads a line as it was before it was shown, without blanks and returns at its end; false if it is no other, or no event. */
  #readPlain(bytes: Uint8Array, start: number, newline: number): boolean {
    const hasEnd = newline > start && isBlank(bytes[newline - 1]!);
    if (!hasEnd && !isDressed(bytes, start, newline) && !isSpreadEvent(bytes, start, newline)) return false;
    this.plain.setPlain(bytes, start, newline);
    const plain = this.plain.bytes;
    const name = this.#findEvent(plain, 0, this.plain.length);
    if (name < 0 || !this.#readInside(plain, viewOf(plain), 0, name)) return false;
    this.giveUp();
    this.#emit(this.line);
    return true;
  }

  /** Reads what a broken line and this one are together; false if this is no part of it. */
  #goOn(bytes: Uint8Array, start: number, newline: number): boolean {
    const broken = this.broken;
    if (broken.line === 0) return false;
    if (isDressed(bytes, start, newline)) {
      this.plain.setPlain(bytes, start, newline);
      return this.#goOn(this.plain.bytes, 0, this.plain.length);
    }
    let end = newline;
    while (end > start && isBlank(bytes[end - 1]!)) end--;
    const from = this.prefix.skip(bytes, start, end);
    const isOwn = readHostLine(textOf(bytes, from, end)) !== undefined;
    if (isOwn || from >= end || !broken.goOn(bytes, start, from, end)) {
      this.giveUp();
      return false;
    }
    this.counts.text++;
    const { line } = broken;
    for (const { bytes, length } of broken.whole) {
      const name = this.#findEvent(bytes, 0, length);
      if (name < 0 && !this.#readHost(bytes, 0, length, line)) continue;
      if (name >= 0 && !this.#readInside(bytes, viewOf(bytes), 0, name)) continue;
      broken.close();
      if (name < 0) this.counts.hostEvents++;
      else this.#emit(line);
      break;
    }
    return true;
  }

  /** Counts a line that is no event of ours, by what it is. */
  #count(bytes: Uint8Array, start: number, newline: number): void {
    const name = this.#readOrigin(bytes, start);
    const isOther = isOtherEvent(bytes, name);
    const mayBeHost = isOther
      ? startsWith(bytes, name, VFIO)
      : HOST_WORDS.some((word) => word.find(bytes, start, newline) >= 0);
    if (mayBeHost && this.#readHost(bytes, start, newline, this.line)) this.counts.hostEvents++;
    else if (
      mayBeHost &&
      beginsHostLine(textOf(bytes, this.#afterPrefix(bytes, start, newline, name), newline))
    )
      this.#open(bytes, start, newline, false);
    else if (isOther) this.counts.otherEvents++;
    else {
      this.counts.text++;
      this.unread.look(bytes, start, newline, this.line);
    }
  }

  /** Where the text begins: after thread and time, which end at `origin`, or after what a logger or mailer put before it. */
  #afterPrefix(bytes: Uint8Array, start: number, newline: number, origin: number): number {
    return origin > start ? origin : this.prefix.skip(bytes, start, newline);
  }

  #readHost(bytes: Uint8Array, start: number, newline: number, line: number): boolean {
    const { plain } = this;
    plain.setPlain(bytes, start, Math.min(newline, start + MAX_HOST_LINE));
    // A page may have been shown in colours.
    while (isDressed(plain.bytes, 0, plain.length)) plain.setPlain(plain.bytes, 0, plain.length);
    const found = readHostLine(textOf(plain.bytes, 0, plain.length));
    if (found === undefined) return false;
    this.#onHost({ ...found, line, event: this.counts.events });
    return true;
  }

  /**
   * Where an event of ours begins in a line: its name at the start, or its name inside, with thread and
   * time before it or its first argument after it. The name alone may be text of another event, such as the command
   * that switched it on. -1 if there is none.
   */
  #findEvent(bytes: Uint8Array, start: number, newline: number): number {
    const first = PREFIX_SEARCH.find(bytes, start, newline);
    if (first === start || (first >= 0 && this.#readOrigin(bytes, start) === first)) return first;
    for (let at = first; at >= 0; at = PREFIX_SEARCH.find(bytes, at + 1, newline)) {
      if (this.#text.begins(bytes, at, newline) || originBefore(bytes, start, at) >= 0) return at;
    }
    return -1;
  }
}

function isSpreadEvent(bytes: Uint8Array, start: number, newline: number): boolean {
  const name = PREFIX_SEARCH.find(bytes, start, newline);
  return name >= 0 && isSpread(bytes, name, newline);
}

/** Where `tid@seconds.microseconds:` begins that ends at `end`; -1 if there is none. */
function originBefore(bytes: Uint8Array, start: number, end: number): number {
  let at = end - 1;
  if (at <= start || bytes[at] !== COLON) return -1;
  for (const mark of [DOT, AT]) {
    at = digitsBefore(bytes, start, at) - 1;
    if (at <= start || bytes[at] !== mark) return -1;
  }
  const thread = digitsBefore(bytes, start, at);
  return thread < at ? thread : -1;
}

function digitsBefore(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isDigit(bytes[at - 1]!)) at--;
  return at;
}

const textOf = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, Math.min(end, start + MAX_HOST_LINE)));

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const isDigit = (byte: number): boolean => byte >= ZERO && byte < COLON;

/** Does the line begin as trace events do: a name of lower-case letters, digits and `_`, and a blank? */
function isOtherEvent(bytes: Uint8Array, start: number): boolean {
  let underscores = 0;
  let at = start;
  for (; isNameByte(bytes[at]!); at++) if (bytes[at] === UNDERSCORE) underscores++;
  return underscores > 0 && bytes[at] === SPACE && !isDigit(bytes[start]!) && bytes[start] !== UNDERSCORE;
}

const isNameByte = (byte: number): boolean =>
  (byte >= 0x61 && byte <= 0x7a) || byte === UNDERSCORE || isDigit(byte);
