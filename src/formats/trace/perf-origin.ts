import { isDigit, type OriginText } from "./origin-text.ts";

const SPACE = 0x20;
const OPEN_PARENTHESIS = 0x28;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const CLOSE_BRACKET = 0x5d;

/** Reads origins as perf writes them. */
export class PerfOrigin {
  readonly #text: OriginText;

  constructor(text: OriginText) {
    this.#text = text;
  }

  /** The columns that are there of `comm pid/tid [cpu] misc time: period`. */
  readScript(end: number): boolean {
    const text = this.#text;
    const { bytes, start } = text;
    let at = this.#skipPeriod(end);
    if (at > start && bytes[at - 1] === COLON) {
      at = text.skipBlanks(text.readTime(at - 1));
      if (Number.isNaN(text.event.seconds)) return false;
    }
    at = this.#skipMode(at);
    if (at > start && bytes[at - 1] === CLOSE_BRACKET) at = text.skipBlanks(text.readCpu(at));
    if (at > start) this.#readColumns(at);
    return true;
  }

  /** A number behind the time or the CPU; behind a task's name it is a thread. */
  #skipPeriod(end: number): number {
    const text = this.#text;
    const at = text.skipBlanks(text.skipDigits(end));
    const before = text.bytes[at - 1];
    return at > text.start && (before === COLON || before === CLOSE_BRACKET) ? at : end;
  }

  /** `K` or `U` between CPU and time: who ran. */
  #skipMode(end: number): number {
    const text = this.#text;
    const from = text.word(end);
    const before = text.skipBlanks(from);
    return from < end && before > text.start && text.bytes[before - 1] === CLOSE_BRACKET ? before : end;
  }

  /** A task's name, `pid`, `pid/tid`, or both. */
  #readColumns(end: number): void {
    const text = this.#text;
    const { bytes, start } = text;
    let from = text.skipDigits(end);
    let to = end;
    if (from < end) {
      const slash = bytes[from - 1] === SLASH && from > start ? text.skipDigits(from - 1) : from;
      const first = slash < from - 1 ? slash : from;
      // A name may end in digits.
      if (first === start || bytes[first - 1] === SPACE) {
        text.event.pid = text.digits(from, end);
        from = first;
        to = text.skipBlanks(first);
      }
    }
    if (to > start) text.setTask(to);
  }

  /** `     0.400 insmod/1234 `: milliseconds since the recording began; `(         ): ` may stand after it. */
  readTrace(start: number, end: number): boolean {
    const text = this.#text;
    const { bytes } = text;
    const to = text.skipBlanks(end);
    let slash = to;
    while (slash > start && isDigit(bytes[slash - 1]!)) slash--;
    if (slash === to || bytes[slash - 1] !== SLASH) return false;
    text.event.pid = text.digits(slash, to);
    let point = start;
    while (isDigit(bytes[point]!)) point++;
    let after = point + 1;
    while (isDigit(bytes[after]!)) after++;
    const time = text.digits(start, point);
    if (time < 0 || bytes[point] !== DOT || bytes[after] !== SPACE || after - point !== 4) return false;
    text.setTime(Math.floor(time / 1000), (time % 1000) * 1000 + text.digits(point + 1, after), 6);
    while (bytes[after] === SPACE) after++;
    if (bytes[after] === OPEN_PARENTHESIS) {
      while (after < to && bytes[after] !== COLON) after++;
      for (after++; bytes[after] === SPACE; ) after++;
    }
    if (after >= slash) return false;
    text.event.task = text.tasks.number(bytes, after, slash - 1);
    return true;
  }
}
