import type { LinuxDmaEvent } from "./dma-event.ts";
import type { NameTable } from "./words.ts";

const SPACE = 0x20;
const DASH = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_S = 0x73;
const LETTER_U = 0x75;

/** Columns of flags, which follow the CPU without a blank in the latency formats. */
const FLAG_COLUMNS = 5;
/** Numbers of more digits are no process, CPU or time. */
const MAX_DIGITS = 15;
/** Bytes of a task's name in the kernel, without its end. */
const MAX_TASK = 15;

/** Nanoseconds of one in the last of so many digits after the point. */
export const NANOSECONDS = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1] as const;

export const isDigit = (byte: number): boolean => byte >= ZERO && byte <= 0x39;

/** The text of an origin, of which columns are read into an event, from its end. */
export class OriginText {
  readonly event: LinuxDmaEvent;
  readonly tasks: NameTable;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  /** Where its time begins and ends; -1 if it has none that is one in seconds. */
  timeAt = -1;
  timeEnd = -1;

  constructor(event: LinuxDmaEvent, tasks: NameTable) {
    this.event = event;
    this.tasks = tasks;
  }

  /** Another text, of which nothing is read yet. */
  begin(bytes: Uint8Array, start: number): void {
    this.bytes = bytes;
    this.start = start;
    this.timeAt = -1;
    this.timeEnd = -1;
    const { event } = this;
    event.seconds = Number.NaN;
    event.nanoseconds = 0;
    event.ticks = Number.NaN;
    event.cpu = -1;
    event.pid = -1;
    event.task = -1;
  }

  /** Each of these takes the end of what it reads and returns its start; `start` or less when that is nothing. */
  skipBlanks(end: number): number {
    let at = end;
    while (at > this.start && this.bytes[at - 1] === SPACE) at--;
    return at;
  }

  skipDigits(end: number): number {
    let at = end;
    while (at > this.start && isDigit(this.bytes[at - 1]!)) at--;
    return at;
  }

  word(end: number): number {
    let at = end;
    while (at > this.start && this.bytes[at - 1] !== SPACE) at--;
    return at;
  }

  /** `12.345678`, `12.345678901`, or microseconds, with a mark for long gaps: `12345678us#`. */
  readTime(end: number): number {
    const bytes = this.bytes;
    const marked = end - this.start > 3 && !isDigit(bytes[end - 1]!) && bytes[end - 1] !== LETTER_S;
    const to = marked ? end - 1 : end;
    const from = this.word(to);
    if (to - from > 2 && bytes[to - 1] === LETTER_S && bytes[to - 2] === LETTER_U) {
      const time = this.digits(from, to - 2);
      if (time >= 0) this.setTime(Math.floor(time / 1e6), time % 1e6, 6);
      return from;
    }
    const fractionAt = this.skipDigits(to);
    // Flags may end in a digit and a point, too.
    const hasPoint =
      to - fractionAt < NANOSECONDS.length &&
      fractionAt - 2 >= from &&
      bytes[fractionAt - 1] === DOT &&
      isDigit(bytes[fractionAt - 2]!);
    const point = hasPoint ? fractionAt - 1 : to;
    const at = this.#afterFlags(from, point);
    if (!hasPoint) {
      this.event.ticks = this.digits(at, to);
      return at;
    }
    this.timeAt = at;
    this.timeEnd = to;
    this.setTime(this.digits(at, point), this.digits(fractionAt, to), to - fractionAt);
    return at;
  }

  /** Where a number begins that trace-cmd wrote right behind the CPU, or its flags: `[001]3539564`, `d.h1.3539564`. */
  #afterFlags(from: number, to: number): number {
    let at = from;
    while (at < to && isDigit(this.bytes[at]!)) at++;
    if (at === to) return from;
    return at === from && this.bytes[at] === OPEN_BRACKET
      ? this.skipDigits(to)
      : Math.min(at + FLAG_COLUMNS, to);
  }

  /** Does nothing for what is no number. */
  setTime(seconds: number, fraction: number, digits: number): void {
    if (seconds < 0 || fraction < 0 || digits > 9) return;
    this.event.seconds = seconds;
    this.event.nanoseconds = fraction * NANOSECONDS[digits]!;
  }

  /** `[000]`, `[000] d.h..`, `[000]-0x9`, `0d.h..`, or `0-0x9`. */
  readCpu(end: number): number {
    const bytes = this.bytes;
    let from = this.word(end);
    if (from === end) return from;
    if (bytes[from] !== OPEN_BRACKET) {
      let digits = from;
      while (isDigit(bytes[digits]!)) digits++;
      if (bytes[digits] === DASH) {
        this.event.cpu = this.digits(from, digits);
        return from;
      }
      const before = this.skipBlanks(from);
      if (before === this.start || bytes[before - 1] !== CLOSE_BRACKET) {
        this.event.cpu = this.digits(from, Math.max(from, end - FLAG_COLUMNS));
        return from;
      }
      from = this.word(before);
    }
    let to = from + 1;
    while (isDigit(bytes[to]!)) to++;
    this.event.cpu = this.digits(from + 1, to);
    return from;
  }

  /** The name that ends at `to`. */
  setTask(to: number): void {
    const bytes = this.bytes;
    // What does not fit in a name is a prefix that nobody knows.
    let first = this.start;
    if (to - first > MAX_TASK) {
      first = to - MAX_TASK;
      while (first < to && bytes[first - 1] !== SPACE) first++;
      if (first === to) first = to - MAX_TASK;
    }
    while (first < to && bytes[first] === SPACE) first++;
    this.event.task = this.tasks.number(bytes, first, to);
  }

  /** The decimal number in `[from, to)`, or -1. */
  digits(from: number, to: number): number {
    if (to <= from || to - from > MAX_DIGITS) return -1;
    let value = 0;
    for (let at = from; at < to; at++) {
      if (!isDigit(this.bytes[at]!)) return -1;
      value = value * 10 + this.bytes[at]! - ZERO;
    }
    return value;
  }
}
