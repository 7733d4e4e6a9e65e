import type { LinuxDmaEvent } from "./dma-event.ts";
import { hashOn, type Kept, KeptByHash } from "./kept-by-hash.ts";
import { isPlain, KeptText } from "./kept-text.ts";
import type { NameTable } from "./words.ts";

/**
 * What stands before an event's name in the text of a Linux trace: task,
 * process, CPU, flags and time. It is read from its end, since a task's name
 * may hold anything.
 *
 *     kworker/u4:1-28      [000] d.h..    11.702445: dma_map_page:     the kernel
 *     insmod-111     (-------) [000] .....    12.647278: …             with record-tgid
 *     insmod-111       0..... 12647278us#: …                           latency-format
 *     kworker/-12      0.....    10.946595468: …                       trace-cmd report -l
 *     kworker/u4:0-12    [000]-0x0    10.946595: …                     trace-cmd report -R
 *     kworker/u4:0-12    [000]    10.946595: (+37) …                   trace-cmd report --ts-diff
 *     kworker/u4:0-12    [000] .....101192083566: …                    trace-cmd report, a clock without a point
 *     kworker/u4:1-ev      28 [000]    35.193728:   dma:dma_alloc: …   perf script, of which -F leaves any column out
 *          0.400 insmod/1234 dma:dma_alloc(…                           perf trace
 *          0.400 (         ): insmod/1234 dma:dma_alloc(…              … with system calls
 *      0)               |  /* dma_alloc: …                              function_graph
 *     kworker/u8:0      12   1 0 00000000 00000000 [0409cf16] 83.761ms (+0.053ms): …   verbose
 *
 * @module
 */

const SPACE = 0x20;
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const STAR = 0x2a;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_S = 0x73;
const LETTER_U = 0x75;
const BAR = 0x7c;

/** Columns of flags, which follow the CPU without a blank in the latency formats. */
const FLAG_COLUMNS = 5;
/** Numbers of more digits are no process, CPU or time. */
const MAX_DIGITS = 15;

/** Flags, counts and a clock between CPU and time in the verbose form. */
const VERBOSE_WORDS = 4;
/** Bytes of a task's name in the kernel, without its end. */
const MAX_TASK = 15;

/** Nanoseconds of one in the last of so many digits after the point. */
const NANOSECONDS = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1] as const;

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= 0x39;

/** Does a comment begin before `end`? */
const isComment = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start > 1 && bytes[end - 1] === STAR && bytes[end - 2] === SLASH;

/** Who wrote the text. */
export type OriginTool = "kernel" | "perf-script" | "perf-trace";

/** Bytes of a kept head; as many can be read after a line. */
const MAX_HEAD = 60;
/** Lengths of heads that are tried: one for each form, and one more for each long name or number. */
const MAX_LENGTHS = 4;

/** What a line says up to its time: the head of many lines. */
interface KeptHead extends Kept {
  /** Number of the buffer that it names, or -1. */
  readonly buffer: number;
  readonly task: number;
  readonly pid: number;
  readonly cpu: number;
}

/**
 * Reads origins into an event.
 *
 * Invariant *again*: what is kept of a head is what reading any line says that begins so and goes on with a time in
 * seconds, a colon and a blank.
 */
export class OriginReader {
  /** Buffer of the head that {@link readAgain} found. */
  buffer = -1;
  readonly #event: LinuxDmaEvent;
  readonly #tasks: NameTable;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Where the time of the origin begins and ends that was read last, -1 if that is not one in seconds. */
  #timeAt = -1;
  #timeEnd = -1;
  readonly #heads = new KeptByHash<KeptHead>();
  /** Lengths of heads, the one that was found last first. */
  readonly #lengths: number[] = [];

  constructor(event: LinuxDmaEvent, tasks: NameTable) {
    this.#event = event;
    this.#tasks = tasks;
  }

  /**
   * Reads `[start, end)`, which ends where the event's name begins.
   *
   * @param tool that writes so: perf names the system before the event, and `perf trace` writes a call
   * @returns false if it is no origin
   */
  read(bytes: Uint8Array, start: number, end: number, tool: OriginTool): boolean {
    this.#bytes = bytes;
    this.#start = start;
    this.#timeAt = -1;
    const event = this.#event;
    event.seconds = Number.NaN;
    event.nanoseconds = 0;
    event.ticks = Number.NaN;
    event.cpu = -1;
    event.pid = -1;
    event.task = -1;
    if (end <= start) return true; // context-info is off
    if (tool === "perf-trace") return this.#readPerfTrace(start, end);
    let at = this.#skipBlanks(end);
    if (tool === "perf-script") return this.#readPerfScript(at);
    if (isComment(bytes, start, at)) return this.#readGraph(start, at);
    if (bytes[at - 1] === CLOSE_PARENTHESIS) at = this.#skipBlanks(this.#skipGroup(at));
    if (at === start || bytes[at - 1] !== COLON) return false;
    if (bytes[at - 2] === CLOSE_PARENTHESIS) return this.#readVerbose(at - 1);
    at = this.#skipBlanks(this.#readTime(at - 1));
    if (at === start) return !Number.isNaN(event.seconds);
    at = this.#readCpu(at);
    at = this.#skipGroup(this.#skipBlanks(at));
    return this.#readTask(this.#skipBlanks(at));
  }

  /** The columns that are there of `comm pid/tid [cpu] misc time: period`. */
  #readPerfScript(end: number): boolean {
    const bytes = this.#bytes;
    const start = this.#start;
    let at = this.#skipPeriod(end);
    if (at > start && bytes[at - 1] === COLON) {
      at = this.#skipBlanks(this.#readTime(at - 1));
      if (Number.isNaN(this.#event.seconds)) return false;
    }
    at = this.#skipMode(at);
    if (at > start && bytes[at - 1] === CLOSE_BRACKET) at = this.#skipBlanks(this.#readCpu(at));
    if (at > start) this.#readColumns(at);
    return true;
  }

  /** A number behind the time or the CPU; behind a task's name it is a thread. */
  #skipPeriod(end: number): number {
    const at = this.#skipBlanks(this.#skipDigits(end));
    const before = this.#bytes[at - 1];
    return at > this.#start && (before === COLON || before === CLOSE_BRACKET) ? at : end;
  }

  /** `K` or `U` between CPU and time: who ran. */
  #skipMode(end: number): number {
    const from = this.#word(end);
    const before = this.#skipBlanks(from);
    return from < end && before > this.#start && this.#bytes[before - 1] === CLOSE_BRACKET ? before : end;
  }

  /** A task's name, `pid`, `pid/tid`, or both. */
  #readColumns(end: number): void {
    const bytes = this.#bytes;
    const start = this.#start;
    let from = this.#skipDigits(end);
    let to = end;
    if (from < end) {
      const slash = bytes[from - 1] === SLASH && from > start ? this.#skipDigits(from - 1) : from;
      const first = slash < from - 1 ? slash : from;
      // A name may end in digits.
      if (first === start || bytes[first - 1] === SPACE) {
        this.#event.pid = this.#digits(from, end);
        from = first;
        to = this.#skipBlanks(first);
      }
    }
    if (to > start) this.#setTask(to);
  }

  /**
   * Reads an origin of which the head is known, from the start of its line on.
   *
   * @returns the end of its time, or -1
   */
  readAgain(bytes: Uint8Array, view: DataView, start: number): number {
    const head = this.#findHead(view, start);
    if (head === undefined) return -1;
    let at = start + head.text.length;
    while (bytes[at] === SPACE) at++;
    const secondsAt = at;
    let seconds = 0;
    for (; isDigit(bytes[at]!); at++) seconds = seconds * 10 + bytes[at]! - ZERO;
    if (bytes[at] !== DOT || at === secondsAt || at > secondsAt + 9) return -1;
    const fractionAt = ++at;
    let fraction = 0;
    for (; isDigit(bytes[at]!); at++) fraction = fraction * 10 + bytes[at]! - ZERO;
    if (at === fractionAt || at > fractionAt + 9) return -1;
    if (bytes[at] !== COLON || bytes[at + 1] !== SPACE) return -1;
    const event = this.#event;
    event.seconds = seconds;
    event.nanoseconds = fraction * NANOSECONDS[at - fractionAt]!;
    event.ticks = Number.NaN;
    event.cpu = head.cpu;
    event.pid = head.pid;
    event.task = head.task;
    this.buffer = head.buffer;
    return at;
  }

  /**
   * Keeps the head of the line that begins at `start` and was read last, if its like can come again; nothing that
   * loggers write may stand before it.
   *
   * @returns the end of its time, or -1 if no line is found again that goes on as it does
   */
  keep(view: DataView, start: number, buffer: number): number {
    const bytes = this.#bytes;
    const [timeAt, timeEnd] = [this.#timeAt, this.#timeEnd];
    if (timeAt < 0 || bytes[timeEnd] !== COLON || bytes[timeEnd + 1] !== SPACE) return -1;
    let end = timeAt;
    while (end > start + 1 && bytes[end - 2] === SPACE) end--;
    const length = end - start;
    if (length < 4 || length > MAX_HEAD || bytes[end - 1] !== SPACE || !isPlain(bytes, start, end)) return -1;
    const { task, pid, cpu } = this.#event;
    this.#heads.keep(hashOfHead(view, start, length), () => ({
      text: new KeptText(view, start, end),
      next: undefined,
      buffer,
      task,
      pid,
      cpu,
    }));
    if (!this.#lengths.includes(length)) {
      if (this.#lengths.length === MAX_LENGTHS) this.#lengths.pop();
      this.#lengths.unshift(length);
    }
    return timeEnd;
  }

  #findHead(view: DataView, start: number): KeptHead | undefined {
    const heads = this.#heads;
    const guess = heads.guess;
    if (guess !== undefined && guess.text.endAt(view, start) >= 0) {
      heads.found(guess);
      return guess;
    }
    const lengths = this.#lengths;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i]!;
      const head = heads.get(hashOfHead(view, start, length));
      if (head === undefined || head.text.length !== length || head.text.endAt(view, start) < 0) continue;
      if (i > 0) {
        lengths[i] = lengths[0]!;
        lengths[0] = length;
      }
      heads.found(head);
      return head;
    }
    return undefined;
  }

  /** `     0.400 insmod/1234 `: milliseconds since the recording began; `(         ): ` may stand after it. */
  #readPerfTrace(start: number, end: number): boolean {
    const bytes = this.#bytes;
    const to = this.#skipBlanks(end);
    let slash = to;
    while (slash > start && isDigit(bytes[slash - 1]!)) slash--;
    if (slash === to || bytes[slash - 1] !== SLASH) return false;
    this.#event.pid = this.#digits(slash, to);
    let point = start;
    while (isDigit(bytes[point]!)) point++;
    let after = point + 1;
    while (isDigit(bytes[after]!)) after++;
    const time = this.#digits(start, point);
    if (time < 0 || bytes[point] !== DOT || bytes[after] !== SPACE || after - point !== 4) return false;
    this.#setTime(Math.floor(time / 1000), (time % 1000) * 1000 + this.#digits(point + 1, after), 6);
    while (bytes[after] === SPACE) after++;
    if (bytes[after] === OPEN_PARENTHESIS) {
      while (after < to && bytes[after] !== COLON) after++;
      for (after++; bytes[after] === SPACE; ) after++;
    }
    if (after >= slash) return false;
    this.#event.task = this.#tasks.number(bytes, after, slash - 1);
    return true;
  }

  /** ` 0)               |`, or `   59.782611 |   0)  insmod-111   |               |`: columns of the function_graph tracer. */
  #readGraph(start: number, end: number): boolean {
    const bytes = this.#bytes;
    let close = start;
    while (close < end && bytes[close] !== CLOSE_PARENTHESIS) close++;
    const cpu = this.#skipDigits(close);
    if (this.#digits(cpu, close) < 0) return false;
    const bar = this.#skipBlanks(cpu);
    if (bar > start && bytes[bar - 1] === BAR) this.#readTime(this.#skipBlanks(bar - 1));
    let task = close + 1;
    while (task < end && bytes[task] !== BAR) task++;
    this.#start = close + 1;
    while (bytes[this.#start] === SPACE) this.#start++;
    this.#event.cpu = this.#digits(cpu, close);
    this.#readTask(this.#skipBlanks(task));
    return true;
  }

  /** `12   1 0 00000000 00000000 [0409cf16] 83.761ms (+0.053ms)` of the verbose option. */
  #readVerbose(end: number): boolean {
    const to = this.#skipBlanks(this.#word(end));
    let at = this.#word(to);
    let point = at;
    while (point < to && this.#bytes[point] !== DOT) point++;
    const milliseconds = this.#digits(at, point);
    const fraction = this.#digits(point + 1, to - 2);
    if (milliseconds < 0 || fraction < 0 || to - 2 - point !== 4) return false;
    this.#setTime(Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1000 + fraction, 6);
    for (let words = 0; words < VERBOSE_WORDS; words++) at = this.#word(this.#skipBlanks(at));
    const cpu = this.#skipBlanks(at);
    at = this.#word(cpu);
    this.#event.cpu = this.#digits(at, cpu);
    return this.#readTask(this.#skipBlanks(at));
  }

  /** Each of these takes the end of what it reads and returns its start; `start` or less when that is nothing. */
  #skipBlanks(end: number): number {
    let at = end;
    while (at > this.#start && this.#bytes[at - 1] === SPACE) at--;
    return at;
  }

  #skipDigits(end: number): number {
    let at = end;
    while (at > this.#start && isDigit(this.#bytes[at - 1]!)) at--;
    return at;
  }

  #word(end: number): number {
    let at = end;
    while (at > this.#start && this.#bytes[at - 1] !== SPACE) at--;
    return at;
  }

  /** `12.345678`, `12.345678901`, or microseconds, with a mark for long gaps: `12345678us#`. */
  #readTime(end: number): number {
    const bytes = this.#bytes;
    const marked = end - this.#start > 3 && !isDigit(bytes[end - 1]!) && bytes[end - 1] !== LETTER_S;
    const to = marked ? end - 1 : end;
    const from = this.#word(to);
    if (to - from > 2 && bytes[to - 1] === LETTER_S && bytes[to - 2] === LETTER_U) {
      const time = this.#digits(from, to - 2);
      if (time >= 0) this.#setTime(Math.floor(time / 1e6), time % 1e6, 6);
      return from;
    }
    const fractionAt = this.#skipDigits(to);
    // Flags may end in a digit and a point, too.
    const hasPoint =
      to - fractionAt < NANOSECONDS.length &&
      fractionAt - 2 >= from &&
      bytes[fractionAt - 1] === DOT &&
      isDigit(bytes[fractionAt - 2]!);
    const point = hasPoint ? fractionAt - 1 : to;
    const at = this.#afterFlags(from, point);
    if (!hasPoint) {
      this.#event.ticks = this.#digits(at, to);
      return at;
    }
    this.#timeAt = at;
    this.#timeEnd = to;
    this.#setTime(this.#digits(at, point), this.#digits(fractionAt, to), to - fractionAt);
    return at;
  }

  /** Where a number begins that trace-cmd wrote right behind the CPU, or its flags: `[001]3539564`, `d.h1.3539564`. */
  #afterFlags(from: number, to: number): number {
    let at = from;
    while (at < to && isDigit(this.#bytes[at]!)) at++;
    if (at === to) return from;
    return at === from && this.#bytes[at] === OPEN_BRACKET
      ? this.#skipDigits(to)
      : Math.min(at + FLAG_COLUMNS, to);
  }

  /** Does nothing for what is no number. */
  #setTime(seconds: number, fraction: number, digits: number): void {
    if (seconds < 0 || fraction < 0 || digits > 9) return;
    this.#event.seconds = seconds;
    this.#event.nanoseconds = fraction * NANOSECONDS[digits]!;
  }

  /** `[000]`, `[000] d.h..`, `[000]-0x9`, or `0d.h..`. */
  #readCpu(end: number): number {
    const bytes = this.#bytes;
    let from = this.#word(end);
    if (from === end) return from;
    if (bytes[from] !== OPEN_BRACKET) {
      const before = this.#skipBlanks(from);
      if (before === this.#start || bytes[before - 1] !== CLOSE_BRACKET) {
        this.#event.cpu = this.#digits(from, Math.max(from, end - FLAG_COLUMNS));
        return from;
      }
      from = this.#word(before);
    }
    let to = from + 1;
    while (isDigit(bytes[to]!)) to++;
    this.#event.cpu = this.#digits(from + 1, to);
    return from;
  }

  /** `(-------)` or `(    138)`, the thread group. */
  #skipGroup(end: number): number {
    const bytes = this.#bytes;
    if (end === this.#start || bytes[end - 1] !== CLOSE_PARENTHESIS) return end;
    let at = end;
    while (at > this.#start && bytes[at - 1] !== OPEN_PARENTHESIS) at--;
    return at > this.#start ? at - 1 : end;
  }

  /** `name-123` */
  #readTask(end: number): boolean {
    const bytes = this.#bytes;
    const from = this.#skipDigits(end);
    this.#event.pid = this.#digits(from, end);
    if (this.#event.pid < 0 || this.#event.cpu < 0) return false;
    if (from === this.#start) return true;
    this.#setTask(this.#skipBlanks(bytes[from - 1] === SPACE ? from : from - 1));
    return true;
  }

  /** The name that ends at `to`. */
  #setTask(to: number): void {
    const bytes = this.#bytes;
    // What does not fit in a name is a prefix that nobody knows.
    let first = this.#start;
    if (to - first > MAX_TASK) {
      first = to - MAX_TASK;
      while (first < to && bytes[first - 1] !== SPACE) first++;
      if (first === to) first = to - MAX_TASK;
    }
    while (first < to && bytes[first] === SPACE) first++;
    this.#event.task = this.#tasks.number(bytes, first, to);
  }

  /** The decimal number in `[from, to)`, or -1. */
  #digits(from: number, to: number): number {
    if (to <= from || to - from > MAX_DIGITS) return -1;
    let value = 0;
    for (let at = from; at < to; at++) {
      if (!isDigit(this.#bytes[at]!)) return -1;
      value = value * 10 + this.#bytes[at]! - ZERO;
    }
    return value;
  }
}

/** A hash of so many bytes, at least four. */
function hashOfHead(view: DataView, start: number, length: number): number {
  const last = start + length - 4;
  let hash = length;
  for (let at = start; at < last; at += 4) hash = hashOn(hash, view.getInt32(at, true));
  return hashOn(hash, view.getInt32(last, true));
}
