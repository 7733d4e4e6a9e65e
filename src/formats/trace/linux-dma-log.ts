import { NEXT, NEXT_RECORD, TIME } from "../lines/line-matcher.ts";
import { BegunStatement } from "./begun-statement.ts";
import { BufferNames } from "./buffer-names.ts";
import type { CallStacks } from "./call-stacks.ts";
import { carriedLines } from "./carried-lines.ts";
import { DmaArguments } from "./dma-arguments.ts";
import { LinuxDmaEvent } from "./dma-event.ts";
import { LAST_KEYS } from "./dma-keys.ts";
import { DMA_EVENT_NAMES } from "./dma-kinds.ts";
import { DmaLines } from "./dma-lines.ts";
import { OriginReader } from "./dma-origin.ts";
import { EventLines } from "./event-lines.ts";
import { IommuRangeText } from "./iommu-range-text.ts";
import type { KernelEvent } from "./kernel-event.ts";
import { KernelLineReader, MAX_STATEMENT } from "./kernel-line.ts";
import { LineCopy } from "./line-copy.ts";
import { keepDamaged } from "./line-reader.ts";
import { RecordingRemarks } from "./recording-remarks.ts";
import { FIXED_BLANK_END, isBlank, isDressed, isSpread } from "./shown-text.ts";
import { StackReader } from "./stack-reader.ts";
import { UnreadEvidence } from "./unread-evidence.ts";
import { encode, NameTable, startsWith, TextSearch, WordSet } from "./words.ts";

/** An event is smaller than a page of 64 KiB; as text of bytes it has up to four times as much, and its context. */
const MAX_LINE = 1 << 20;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const ESCAPE = 0x1b;
const HASH = 0x23;
const CLOSE_BRACKET = 0x5d;
const OPEN_PARENTHESIS = 0x28;
const COLON = 0x3a;

const NAMES = new WordSet(DMA_EVENT_NAMES);
/** Names in which a line may end that goes on in the next one, also behind the system's name that perf writes; at least so many bytes. */
const CUT_NAMES = DMA_EVENT_NAMES.flatMap((name) => [name, `dma:${name}`]).map(encode);
const SHORTEST_CUT = 3;
const NAME_START = "dma_";
const NAME_SEARCH = new TextSearch(NAME_START);
const LONGEST_NAME = Math.max(...DMA_EVENT_NAMES.map(({ length }) => length));
/** perf writes the system's name before that of the event. */
const SYSTEM = encode("dma:");

/** A task can be called as an event is; its name has no room for two of these. */
const MAX_NAMES = 2;

/** What a line is. */
const READ = 0;
/** No event, though its name may occur. */
const OTHER = 1;
/** An event that cannot be read. */
const DAMAGED = 2;
/** An event that can be read, of which the end may stand in the next line. */
const UNFINISHED = 3;

/** What waits for its rest. */
const NOTHING = 0;
const EVENT = 1;
const STATEMENT = 2;
/** What a {@link DmaLogReader} read and what it left out. Every line is counted once. */
export interface DmaCounts {
  /** Lines that became events. */
  events: number;
  /** Lines of other events, and other text. */
  other: number;
  /** Lines of other events and of the kernel's log that say something of DMA. */
  kernel: number;
  /** Lines of the file's head, and empty ones. */
  comments: number;
  /** Lines of call stacks, and the stacks that these are, of whatever events. */
  stackLines: number;
  stacks: number;
  /** Lines that name a `dma` event and do not read as one. */
  damaged: number;
  /** Lines too long to be kept. */
  long: number;
  /** 1 if the last line has no line end. It is left out. */
  torn: number;
  /** Lines that stand twice, each of which is read once. */
  twins: number;
  /** Lines that say that events of a CPU are missing, and how many these were where they say that. */
  lostMarkers: number;
  lost: number;
  /** Events that had left the buffer before it was read, by its head. */
  overwritten: number;
  /** Events of other buffers than the first event's; trace-cmd reports these in one text. They are left out. */
  otherBuffers: number;
}

/**
 * Reads Linux' `dma:*` trace events as text: of the kernel's `trace` and
 * `trace_pipe` with their options, of `trace-cmd report` and of `perf script`.
 * Each line shows its form, so that they may be mixed.
 */
export class DmaLogReader extends EventLines {
  readonly counts: DmaCounts = {
    events: 0,
    other: 0,
    kernel: 0,
    comments: 0,
    stackLines: 0,
    stacks: 0,
    damaged: 0,
    long: 0,
    torn: 0,
    twins: 0,
    lostMarkers: 0,
    lost: 0,
    overwritten: 0,
    otherBuffers: 0,
  };
  /** Events of QEMU between those of Linux. */
  readonly unread: UnreadEvidence = new UnreadEvidence("qemu");
  /** Devices and tasks that occur; an event has their numbers. */
  readonly devices: NameTable = new NameTable();
  readonly tasks: NameTable = new NameTable();
  readonly #event = new LinuxDmaEvent();
  readonly #origin = new OriginReader(this.#event, this.tasks);
  readonly #arguments = new DmaArguments(this.#event, this.devices);
  readonly #lines = new DmaLines(this.#event, this.#arguments, this.matched);
  readonly #remarks = new RecordingRemarks(this.#event, this.#origin, this.prefix);
  readonly #buffers = new BufferNames();
  readonly #onEvent: (event: LinuxDmaEvent) => void;
  readonly #onKernel: ((event: KernelEvent) => void) | undefined;
  readonly #kernel = new KernelLineReader();
  readonly #stacks = new StackReader(this.#event, (bytes, start, end) => this.#readOrigin(bytes, start, end));
  readonly #ranges = new IommuRangeText();
  /**
   * What can be read and waits for the next line, since that may be its rest: {@link NOTHING}, the event of the broken line
   * or the statement of the begun one.
   *
   * Invariant *rest*: the next line is its rest, or it is read as it stands.
   */
  #waits = NOTHING;
  /** Line that ended in the name of an event last. */
  #cutName = 0;
  /** The first record that {@link readFound} has not read. */
  #foundTo = 0;
  readonly #begun = new BegunStatement(this.#kernel);
  /** Such a line and the next one. */
  readonly #joined = new LineCopy();

  /**
   * @param onEvent called for each event; the object is used again
   * @param onKernel called for each other line that says something of DMA; without it these are other text
   */
  constructor(onEvent: (event: LinuxDmaEvent) => void, onKernel?: (event: KernelEvent) => void) {
    super(MAX_LINE);
    this.#onEvent = onEvent;
    this.#onKernel = onKernel;
  }

  /** Call stacks of events. */
  get stacks(): CallStacks {
    return this.#stacks.stacks;
  }

  /** CPUs of the machine, by the head of the text; 0 if it does not say. */
  get cpus(): number {
    return this.#remarks.cpus;
  }

  /** Entries that the buffer had, by the head of the text; 0 if it does not say. */
  get entries(): number {
    return this.#remarks.entries;
  }

  protected override readEvents(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const next = this.#readAgain(bytes, at, end);
      at = next > at ? next : this.#readOnce(bytes, at);
    }
  }

  /** Reads a line from its beginning; returns where the next one begins. */
  #readOnce(bytes: Uint8Array, at: number): number {
    const newline = bytes.indexOf(NEWLINE, at);
    this.line++;
    if (newline - at >= this.maxLine) this.counts.long++;
    else {
      const text = newline > at && bytes[newline - 1] === RETURN ? newline - 1 : newline;
      let to = text;
      while (to > at && isBlank(bytes[to - 1]!)) to--;
      // A line that ends in blanks is not kept for others: these go on right after what was read.
      this.#readLine(bytes, at, to, to === text);
    }
    return newline + 1;
  }

  /** Reads lines that differ from lines before only in numbers; returns where the first begins that does not. */
  #readAgain(bytes: Uint8Array, start: number, end: number): number {
    const { matcher } = this.matched;
    if (matcher === undefined || this.#waits !== NOTHING) return start;
    const { records } = matcher;
    const first = this.line;
    let at = start;
    let stop = 0;
    do {
      stop = matcher.findLines(at, end, true);
      at = this.readFound(bytes, at, records, 0, stop);
    } while (this.#foundTo === stop && at < end && records[stop + NEXT] !== 0);
    this.matched.found(this.line - first);
    const record = this.#foundTo;
    return at === end || records[record + TIME] === 0 ? at : this.#readRangeAgain(bytes, at, records, record);
  }

  protected override readFound(
    bytes: Uint8Array,
    start: number,
    records: Uint32Array,
    first: number,
    stop: number,
  ): number {
    const lines = this.#lines;
    let at = start;
    let record = first;
    // Where something waits, the first line may be its rest.
    if (this.#waits === NOTHING) {
      for (; record < stop; record = first + records[record + NEXT_RECORD]!) {
        if (!lines.readAgain(bytes, records, record)) break;
        at = records[record + NEXT]!;
        this.line++;
        if (this.#begun.line > 0) this.#endStatement();
        if (this.broken.line > 0) this.giveUp();
        this.#buffers.readAgain(lines.headOf(records, record).buffer);
        this.#emit(this.line);
      }
    }
    this.#foundTo = record;
    return at;
  }

  /** Reads an event of the IOMMU of which the head was found, up to its time; returns the position after it, or `start`. */
  #readRangeAgain(bytes: Uint8Array, start: number, records: Uint32Array, record: number): number {
    // Where something is open, it may be a part of that; a line of the recording itself begins with no blank.
    const isBegun = this.broken.line > 0 || this.#begun.line > 0;
    const isOpen = isBegun || this.#kernel.isInRecord || this.#stacks.isActive;
    const { buffer, isPerf } = this.#lines.headOf(records, record);
    if (isOpen || bytes[start] !== SPACE || buffer >= 0) return start;
    const ranges = this.#ranges;
    const what = ranges.read(bytes, records[record + TIME]!);
    if (what === undefined || ranges.next - start > MAX_STATEMENT || ranges.isPerf !== isPerf) return start;
    this.line++;
    if (this.#onKernel === undefined) {
      this.counts.other++;
      return ranges.next;
    }
    this.#buffers.readAgain(buffer);
    if (!this.#buffers.isOfFirstOther()) {
      this.counts.otherBuffers++;
      return ranges.next;
    }
    this.#lines.readOrigin(records, record);
    const { seconds, nanoseconds, task, pid } = this.#event;
    this.counts.kernel++;
    this.#onKernel({
      what,
      line: this.line,
      number: this.counts.events,
      seconds,
      nanoseconds,
      task,
      pid,
    });
    return ranges.next;
  }

  /** @param isKept what is read of it may be kept for lines that are like it */
  #readLine(bytes: Uint8Array, start: number, end: number, isKept = false): void {
    const carried = carriedLines(bytes, start, end);
    if (carried !== undefined) {
      for (const line of carried) this.#readLine(line.bytes, 0, line.length);
      return;
    }
    if (this.#waits === EVENT && this.#finish(bytes, start, end)) return;
    const found = this.#findName(bytes, start, end);
    // Of a name that was cut after perf's name of the system the rest is a name, too.
    const isRest = found === start && this.broken.line > 0 && this.line === this.#cutName + 1;
    const name = isRest ? -1 : found;
    if (name >= 0) this.#endStatement();
    if (name < 0 && endsInName(bytes, start, end)) {
      this.#endStatement();
      if (this.broken.line > 0) this.giveUp();
      this.broken.open(this.line, bytes, start, end);
      this.#cutName = this.line;
      return;
    }
    if (name < 0) {
      const mayGoOn = this.broken.line > 0;
      if ((mayGoOn ? isDressed : hasEscape)(bytes, start, end)) this.#readPlain(bytes, start, end);
      else if (!mayGoOn || !this.#goOn(bytes, start, end)) this.#readOther(bytes, start, end);
      return;
    }
    if (this.broken.line > 0) this.giveUp();
    const is = this.#readNamed(bytes, start, name, end, isKept);
    if (is === READ) return;
    if (is !== UNFINISHED && isDressed(bytes, start, end)) this.#readPlain(bytes, start, end);
    else if (is !== UNFINISHED && this.#isReadClose(bytes, start, name, end)) return;
    else if (is === OTHER) this.counts.other++;
    else {
      this.broken.open(this.line, bytes, start, end);
      this.#waits = is === UNFINISHED ? EVENT : NOTHING;
    }
  }

  /** The line before could be read, but for its last word: reads this one with it, if it is the rest; false if not. */
  #finish(bytes: Uint8Array, start: number, end: number): boolean {
    const { broken } = this;
    const joined = this.#joined;
    joined.length = 0;
    joined.add(broken.whole[0]!.bytes, 0, broken.whole[0]!.length);
    joined.add(bytes, start, end);
    const isRest =
      this.#findName(bytes, start, end) < 0 &&
      this.#readEvent(
        joined.bytes,
        0,
        this.#findName(joined.bytes, 0, joined.length),
        joined.length,
        broken.line,
      ) === READ;
    if (!isRest) {
      this.giveUp();
      return false;
    }
    this.#waits = NOTHING;
    this.counts.other++;
    broken.close();
    return true;
  }

  override end(): void {
    super.end();
    this.#endStatement();
  }

  protected override giveUp(): void {
    const { broken } = this;
    if (this.#waits === EVENT) {
      const { bytes, length } = broken.whole[0]!;
      this.#waits = NOTHING;
      this.#readEvent(bytes, 0, this.#findName(bytes, 0, length), length, broken.line, true);
      broken.close();
    }
    super.giveUp();
  }

  /** Reads a line that has more blanks between its words than the kernel prints; false if it is none. */
  #isReadClose(bytes: Uint8Array, start: number, name: number, end: number): boolean {
    if (!isSpread(bytes, name, end)) return false;
    const { plain } = this;
    plain.setPlain(bytes, start, end);
    return (
      this.#readNamed(plain.bytes, 0, this.#findName(plain.bytes, 0, plain.length), plain.length) === READ
    );
  }

  /** Reads a line as it was before it was shown. */
  #readPlain(bytes: Uint8Array, start: number, end: number): void {
    this.plain.setPlain(bytes, start, end);
    this.#readLine(this.plain.bytes, 0, this.plain.length);
  }

  /** Reads what a broken line and this one are together; false if this is no part of it. */
  #goOn(bytes: Uint8Array, start: number, end: number): boolean {
    const broken = this.broken;
    const from = this.prefix.skip(bytes, start, end);
    const isOwn = this.#kernel.whole(bytes, start, end) !== undefined;
    if (from >= end || bytes[from] === HASH || isOwn || !broken.goOn(bytes, start, from, end)) {
      this.giveUp();
      return false;
    }
    this.counts.other++;
    const isRead = broken.whole.some(({ bytes, length }) => {
      const name = this.#findName(bytes, 0, length);
      if (name < 0) return this.#readKernel(bytes, 0, length, broken.line) === READ;
      return this.#readEvent(bytes, 0, name, length, broken.line) === READ;
    });
    if (isRead) broken.close();
    return true;
  }

  /** Reads the event of a line, of which the first name that may be its own begins at `first`. */
  #readNamed(bytes: Uint8Array, start: number, first: number, end: number, isKept = false): number {
    let is = READ;
    let name = first;
    for (let names = 0; name >= 0 && names < MAX_NAMES; names++) {
      const read = this.#readEvent(bytes, start, name, end, this.line);
      if (read === READ && isKept) this.#keep(bytes, start, name, end);
      if (read === READ || read === UNFINISHED) return read;
      if (is !== DAMAGED) is = read;
      name = this.#findName(bytes, start, end, name + 1);
    }
    return is;
  }

  /**
   * Reads an event of which the name begins at `name`.
   *
   * @param isFinal nothing of it can stand in the next line
   */
  #readEvent(
    bytes: Uint8Array,
    start: number,
    name: number,
    end: number,
    line: number,
    isFinal = false,
  ): number {
    const event = this.#event;
    const from = this.prefix.skip(bytes, start, name);
    const perf = name > start && bytes[name - 1] === COLON;
    const open = name + DMA_EVENT_NAMES[event.kind]!.length;
    const isCall = bytes[open] === OPEN_PARENTHESIS;
    const afterBuffer = this.#buffers.read(bytes, from, name);
    const to = perf ? name - SYSTEM.length : name;
    const known = this.#origin.read(
      bytes,
      afterBuffer,
      to,
      isCall ? "perf-trace" : perf ? "perf-script" : "kernel",
    );
    const whole = isCall
      ? this.#arguments.readCall(bytes, open + 1, end)
      : this.#arguments.read(bytes, open + 1, end);
    // Text that only mentions an event has no arguments.
    if (!whole || !known) return whole || known ? DAMAGED : OTHER;
    if (!isFinal && !isCall && !this.#hasLastWord()) return UNFINISHED;
    if (Number.isNaN(event.seconds)) {
      event.seconds = this.prefix.seconds;
      event.nanoseconds = this.prefix.nanoseconds;
    }
    this.#stacks.noteIndent(line, bytes, start, from);
    this.#emit(line);
    return READ;
  }

  /** Is there what the kernel prints last? Without it the number before may be cut. */
  #hasLastWord(): boolean {
    const last = LAST_KEYS[this.#event.kind]!;
    return (this.#arguments.seen & last) === last;
  }

  #emit(line: number): void {
    if (!this.#isEvent(line)) return;
    this.#onEvent(this.#event);
    if (this.#stacks.isActive) this.#stacks.follow();
  }

  /** Numbers the event that was read, unless it is one of a buffer that is left out. */
  #isEvent(line: number): boolean {
    if (!this.#buffers.isOfFirst()) {
      this.counts.otherBuffers++;
      return false;
    }
    this.#event.number = this.counts.events++;
    this.#event.line = line;
    return true;
  }

  /** Keeps what was read of a line; not of a call, and not if a logger put something before it. */
  #keep(bytes: Uint8Array, start: number, name: number, end: number): void {
    let first = start;
    while (bytes[first] === SPACE) first++;
    const isCall = bytes[name + DMA_EVENT_NAMES[this.#event.kind]!.length] === OPEN_PARENTHESIS;
    if (isCall || this.prefix.skip(bytes, start, name) !== first) return;
    const { timeAt, timeEnd } = this.#origin;
    if (timeAt < 0 || bytes[timeEnd] !== COLON || bytes[timeEnd + 1] !== SPACE) return;
    const isPerf = bytes[name - 1] === COLON;
    this.#lines.keep(bytes, { start, timeAt, timeEnd, end }, this.#buffers.named, isPerf);
  }

  /** Reads who made another event of the buffer that is read; false if it is none of that. */
  #readOrigin(bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#buffers.read(bytes, this.prefix.skip(bytes, start, end), end);
    const isOfFirst = this.counts.events > 0 && this.#buffers.isOfFirst();
    return this.#origin.read(bytes, from, end, "kernel") && isOfFirst;
  }

  /** Finds the name of a `dma` event at `from` or after it, sets the event's kind, and returns where it begins, or -1. */
  #findName(bytes: Uint8Array, start: number, end: number, from: number = start): number {
    if (bytes[start] === HASH) return -1;
    for (let at = from; ; at++) {
      at = NAME_SEARCH.find(bytes, at, end);
      if (at < 0) return -1;
      if (at > start && !isBefore(bytes, start, at)) continue;
      const limit = Math.min(end, at + LONGEST_NAME + 1);
      let colon = at + NAME_START.length;
      while (colon < limit && bytes[colon] !== COLON && bytes[colon] !== OPEN_PARENTHESIS) colon++;
      const kind = colon < limit ? NAMES.find(bytes, at, colon) : -1;
      if (kind < 0) continue;
      this.#event.kind = kind;
      return at;
    }
  }

  #readOther(bytes: Uint8Array, start: number, end: number): void {
    const from = this.prefix.skip(bytes, start, end);
    if (this.#stacks.read(bytes, start, from, end, this.line)) {
      this.counts.stackLines++;
      this.counts.stacks = this.#stacks.count;
      return;
    }
    // What may be a remark on the recording is told by its blanks.
    const isRemark = bytes[from] === HASH || bytes[end - 1] === CLOSE_BRACKET;
    if (isRemark && (isDressed(bytes, from, end) || isSpread(bytes, from, end))) {
      this.#readPlain(bytes, start, end);
      return;
    }
    const remarks = this.#remarks;
    remarks.read(bytes, from, end);
    const isRead = remarks.lost >= 0 || remarks.isComment;
    // What was begun before does not go on after it.
    if (isRead) this.#endStatement();
    this.counts.overwritten = remarks.overwritten;
    if (remarks.isComment) this.counts.comments++;
    if (remarks.lost >= 0 || remarks.isPageStart) this.#buffers.read(bytes, from, remarks.at + 1);
    if (remarks.isPageStart) this.#buffers.beginPage();
    if (remarks.lost >= 0) {
      if (this.#buffers.isOfOther()) this.counts.otherBuffers++;
      else this.#emitLost(remarks.cpu, remarks.lost);
    }
    if (isRead) return;
    if (this.#begun.line > 0 && this.#goOnStatement(bytes, start, from, end)) return;
    if (isDressed(bytes, start, end)) {
      this.#readPlain(bytes, start, end);
      return;
    }
    const mayTell = this.#onKernel !== undefined && this.#kernel.mentions(bytes, start, end);
    const read = mayTell ? this.#kernel.read(bytes, start, end) : undefined;
    const isWhole = read === "part" || (typeof read === "object" && !read.isCut);
    if (read === "broken") this.broken.open(this.line, bytes, start, end);
    else if (!isWhole && mayTell) {
      this.#begun.open(read, this.line, bytes, start, end);
      if (typeof read === "object") this.#waits = STATEMENT;
    } else if (this.#take(read, bytes, start, end, this.line) === OTHER) {
      this.counts.other++;
      this.unread.look(bytes, start, end, this.line);
    }
  }

  /** Reads what the statement that was begun and this line are together; false if this one is to be read on its own. */
  #goOnStatement(bytes: Uint8Array, start: number, from: number, end: number): boolean {
    const { line } = this.#begun;
    const rest = this.#begun.goOn(this.line, bytes, start, from, end);
    if (rest === undefined) {
      this.#endStatement();
      return false;
    }
    this.counts.other++;
    if (rest !== "part") {
      this.#readKernel(rest.bytes, 0, rest.length, line);
      this.#closeStatement();
    }
    return true;
  }

  /** The statement that was begun does not go on: it is what it says as it stands. */
  #endStatement(): void {
    const { line, said, bytes, length } = this.#begun;
    if (line === 0) return;
    this.#closeStatement();
    if (said === "begun") {
      this.counts.damaged++;
      keepDamaged(this.damagedLines, line, bytes, 0, length);
    } else if (this.#take(said, bytes, 0, length, line) === OTHER) this.counts.other++;
  }

  #closeStatement(): void {
    this.#begun.close();
    this.#waits = NOTHING;
  }

  /** Reads what is said of DMA in another line. */
  #readKernel(bytes: Uint8Array, start: number, end: number, line: number): number {
    if (this.#onKernel === undefined || !this.#kernel.mentions(bytes, start, end)) return OTHER;
    return this.#take(this.#kernel.read(bytes, start, end), bytes, start, end, line);
  }

  /** Takes what was read of a line. */
  #take(
    read: ReturnType<KernelLineReader["read"]>,
    bytes: Uint8Array,
    start: number,
    end: number,
    line: number,
  ): number {
    if (read === undefined || read === "begun" || this.#onKernel === undefined) return OTHER;
    if (read === "broken") return DAMAGED;
    if (read === "part") {
      this.counts.other++;
      return READ;
    }
    const event = this.#event;
    const { what, origin } = read;
    const from = this.prefix.skip(bytes, start, end);
    const name = Math.max(from, start + origin);
    const isEvent = origin >= 0;
    const afterBuffer = isEvent ? this.#buffers.read(bytes, from, name) : from;
    const to = this.#beforeSystem(bytes, afterBuffer, name);
    const known = isEvent && this.#origin.read(bytes, afterBuffer, to, to < name ? "perf-script" : "kernel");
    if (isEvent && !this.#buffers.isOfFirstOther()) {
      this.counts.otherBuffers++;
      return READ;
    }
    const hasTime = known && !Number.isNaN(event.seconds);
    this.counts.kernel++;
    this.#onKernel({
      what,
      line,
      number: this.counts.events,
      seconds: hasTime ? event.seconds : this.prefix.seconds,
      nanoseconds: hasTime ? event.nanoseconds : this.prefix.nanoseconds,
      task: known ? event.task : -1,
      pid: known ? event.pid : -1,
    });
    return READ;
  }

  /** Where the word before an event's name begins, if perf wrote its system there: `iommu:`. */
  #beforeSystem(bytes: Uint8Array, start: number, name: number): number {
    if (bytes[name - 1] !== COLON) return name;
    let at = name - 1;
    while (at > start && bytes[at - 1] !== SPACE) at--;
    return at;
  }

  #emitLost(cpu: number, count: number): void {
    const event = this.#event;
    event.becomeLoss(cpu, count, { number: this.counts.events, line: this.line });
    this.counts.lostMarkers++;
    this.counts.lost += count;
    this.#onEvent(event);
  }
}

/** May an event's name follow here: a blank, or perf's `dma:`? */
function isBefore(bytes: Uint8Array, start: number, at: number): boolean {
  const before = bytes[at - 1];
  // Found after a blank at which no line breaks, too, the event is read as it was before it was shown, and not as what it
  // looks like: a frame of a call stack, after a tab.
  if (before === SPACE || before === TAB || before === FIXED_BLANK_END) return true;
  const system = at - SYSTEM.length;
  return system >= start && startsWith(bytes, system, SYSTEM);
}

/** Does a line end in the name of an event, after its time? */
function endsInName(bytes: Uint8Array, start: number, end: number): boolean {
  const at = bytes.lastIndexOf(SPACE, end - 1) + 1;
  if (end - at < SHORTEST_CUT || at < start + 3 || bytes[start] === HASH) return false;
  let colon = at - 1;
  while (colon > start && bytes[colon] === SPACE) colon--;
  if (bytes[colon] !== COLON || !isDigit(bytes[colon - 1]!)) return false;
  const text = bytes.subarray(at, end);
  return CUT_NAMES.some((name) => text.length <= name.length && startsWith(name, 0, text));
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** Is there an escape sequence in a line? */
function hasEscape(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === ESCAPE) return true;
  return false;
}
