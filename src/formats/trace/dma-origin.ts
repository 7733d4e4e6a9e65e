import type { LinuxDmaEvent } from "./dma-event.ts";
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
 *     kworker/u4:1-ev      28 [000]    35.193728:   dma:dma_alloc: …   perf script
 *
 * @module
 */

const SPACE = 0x20;
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_S = 0x73;
const LETTER_U = 0x75;

/** Columns of flags, which follow the CPU without a blank in the latency formats. */
const FLAG_COLUMNS = 5;
/** Numbers of more digits are no process, CPU or time. */
const MAX_DIGITS = 15;

/** Nanoseconds of one in the last of so many digits after the point. */
const NANOSECONDS = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1] as const;

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= 0x39;

/** Reads origins into an event. */
export class OriginReader {
  readonly #event: LinuxDmaEvent;
  readonly #tasks: NameTable;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(event: LinuxDmaEvent, tasks: NameTable) {
    this.#event = event;
    this.#tasks = tasks;
  }

  /**
   * Reads `[start, end)`, which ends where the event's name begins.
   *
   * @returns false if it is no origin
   */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.#start = start;
    const event = this.#event;
    event.seconds = Number.NaN;
    event.nanoseconds = 0;
    event.cpu = -1;
    event.pid = -1;
    event.task = -1;
    if (end === start) return true; // context-info is off
    let at = this.#skipBlanks(end);
    if (at === start || bytes[at - 1] !== COLON) return false;
    at = this.#readTime(at - 1);
    at = this.#readCpu(this.#skipBlanks(at));
    at = this.#skipGroup(this.#skipBlanks(at));
    return this.#readTask(this.#skipBlanks(at));
  }

  /** Each of these takes the end of what it reads and returns its start; `start` or less when that is nothing. */
  #skipBlanks(end: number): number {
    let at = end;
    while (at > this.#start && this.#bytes[at - 1] === SPACE) at--;
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
    let point = from;
    while (point < to && bytes[point] !== DOT) point++;
    this.#setTime(this.#digits(from, point), this.#digits(point + 1, to), to - point - 1);
    return from;
  }

  /** Does nothing for clocks that are no seconds. */
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

  /** `name-123`, or perf's `name   123`. */
  #readTask(end: number): boolean {
    const bytes = this.#bytes;
    let from = end;
    while (from > this.#start && isDigit(bytes[from - 1]!)) from--;
    this.#event.pid = this.#digits(from, end);
    if (this.#event.pid < 0 || this.#event.cpu < 0 || from === this.#start) return false;
    const to = this.#skipBlanks(bytes[from - 1] === SPACE ? from : from - 1);
    let first = this.#start;
    while (first < to && bytes[first] === SPACE) first++;
    this.#event.task = this.#tasks.number(bytes, first, to);
    return true;
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
