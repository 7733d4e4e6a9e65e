import { NumberReader } from "./number-reader.ts";
import { encode, startsWith } from "./words.ts";

/**
 * What loggers, consoles and mailers put before a line: it is passed over, and its time is kept.
 *
 *     [  912.123456] [  912.123456][    T0] <6>[ 1.2]       the kernel's log on a console
 *     [    1.234567 <    0.000123>]  [Fri Nov 27 22:13:24 2026]  kern  :info  :       dmesg -d, -T and -x
 *     Nov 27 22:13:24 host qemu-system-ppc64[4711]:          syslog and journalctl; the date alone: ts
 *     2026-11-27T22:13:24.627005Z                            QEMU 11, journalctl -o short-iso, libvirt, kubectl logs -t
 *     Fri 2026-11-27 22:13:24 UTC host kernel:               journalctl -o short-full
 *     [    1.234567] host kernel:  1795820252.848947 host kernel:     journalctl -o short-monotonic, short-unix
 *     <6>1 2026-11-27T22:13:24.627Z host kernel - - -        syslog of RFC 5424
 *     2026-11-27T22:13:24.627Z stdout F                      files of containers (CRI)
 *     6,1234,5678901,-;  6.1.0,6,1234,5678901,-,caller=T7;   /dev/kmsg and netconsole
 *     MESSAGE=                                               journalctl -o export and verbose
 *     [pod/guest/qemu]  guest-1  |                           kubectl logs --prefix, docker compose logs
 *     >                                                      an answer to a mail
 *     <span class="line">                                    a web page
 *     \x1b[32m                                               colours
 *
 * @module
 */

const ESCAPE = 0x1b;
const TAB = 0x09;
const SPACE = 0x20;
const PLUS = 0x2b;
const COMMA = 0x2c;
const DASH = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const LESS = 0x3c;
const GREATER = 0x3e;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_C = 0x43;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const BAR = 0x7c;

const KERNEL = encode("kernel:");
const MESSAGE = encode("MESSAGE=");
/** Whose output a line is, and whether it is whole. */
const STREAMS = ["stdout F ", "stderr F ", "stdout P ", "stderr P "].map(encode);

/** Days from the first of March of the year 0 to 1970. */
const DAYS_TO_1970 = 719_468;

/** What stands before a record of /dev/kmsg, and how many bytes that may be. */
const KMSG_HEAD = /^(?:[\w.+~-]{1,64},)?\d{1,4},\d{1,20},(\d{1,16}),[^\s;]*$/;
const MAX_RECORD_HEAD = 160;

const TAG = /^<\/?(?:a|b|code|div|font|li|p|pre|span|td|tr)(?: [^<>]*)?>/;
const MAX_TAG = 200;

const textAt = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));

/** What may stand before a line without meaning: the start of a log that was cut while it was written is a hole of zeros. */
const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB || byte === 0;
const isDigit = (byte: number): boolean => byte >= ZERO && byte < COLON;
const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;

/** Passes over prefixes of lines. After each line there must be something that is no part of one, such as its end. */
export class LinePrefix {
  /** Time of the prefix, NaN without one: of the kernel's log since boot, of others since 1970. */
  seconds: number = Number.NaN;
  nanoseconds = 0;
  /** No prefix tells a thread. */
  readonly thread: number = Number.NaN;
  /** Process of the program whose line it is, -1 where the prefix does not tell. */
  process = -1;
  readonly #numbers = new NumberReader();

  /** Where the line itself begins, after blanks, too. */
  skip(bytes: Uint8Array, start: number, end: number): number {
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    this.process = -1;
    for (let at = start; ; ) {
      while (at < end && isBlank(bytes[at]!)) at++;
      const next = at < end ? this.#skipOne(bytes, at, end) : -1;
      if (next < 0 || next > end) return at;
      if (bytes[next - 2] === COLON && bytes[next - 3] === CLOSE_BRACKET) this.#readProcess(bytes, next - 3);
      at = next;
    }
  }

  /** The number in `program[4711]: `, of which the bracket stands at `close`. */
  #readProcess(bytes: Uint8Array, close: number): void {
    let open = close;
    while (isDigit(bytes[open - 1]!)) open--;
    if (open === close || bytes[open - 1] !== OPEN_BRACKET) return;
    this.#numbers.decimal(bytes, open);
    this.process = this.#numbers.lo;
  }

  /** The end of one prefix, or -1. */
  #skipOne(bytes: Uint8Array, at: number, end: number): number {
    const first = bytes[at]!;
    if (first === ESCAPE) return endOfEscape(bytes, at, end);
    if (first === GREATER) return at + 1;
    if (first === LESS) return Math.max(endOfLevel(bytes, at), endOfTag(bytes, at, end));
    if (first === OPEN_BRACKET) return this.#bracket(bytes, at, end);
    if (isDigit(first)) {
      if (isDate(bytes, at)) return this.#isoTime(bytes, at, end);
      const record = this.#kmsgRecord(bytes, at, end);
      return record < 0 ? this.#unixTime(bytes, at, end) : record;
    }
    if (!isLetter(first)) return -1;
    if (bytes[at + 3] === SPACE) {
      if (isDate(bytes, at + 4)) return this.#isoTime(bytes, at + 4, end);
      const syslog = endOfSyslog(bytes, at, end);
      if (syslog >= 0) return syslog;
    }
    if (startsWith(bytes, at, MESSAGE)) return at + MESSAGE.length;
    const facility = endOfFacility(bytes, at);
    return facility < 0 ? endOfService(bytes, at, end) : facility;
  }

  /** What stands in brackets: a time, or the name of a container. */
  #bracket(bytes: Uint8Array, at: number, end: number): number {
    const kernel = this.#kernelLog(bytes, at);
    if (kernel >= 0) {
      const program = bytes[kernel] === SPACE ? endOfProgram(bytes, kernel + 1, end, true) : -1;
      return program < 0 ? kernel : program;
    }
    if (isDate(bytes, at + 1)) return afterBracket(bytes, this.#time(bytes, at + 1));
    const day = endOfDay(bytes, at + 1);
    return day < 0 ? endOfPod(bytes, at, end) : afterBracket(bytes, day);
  }

  /** `[    1.234567]`, and the number of a thread or CPU: `[    T1]`. */
  #kernelLog(bytes: Uint8Array, start: number): number {
    let at = start + 1;
    while (bytes[at] === SPACE) at++;
    const isCaller = bytes[at] === LETTER_T || bytes[at] === LETTER_C;
    const from = isCaller ? at + 1 : at;
    at = this.#numbers.decimal(bytes, from);
    if (at < 0) return -1;
    if (isCaller) return bytes[at] === CLOSE_BRACKET ? at + 1 : -1;
    if (bytes[at] !== DOT) return -1;
    const seconds = this.#numbers.lo;
    const after = this.#fraction(bytes, at + 1);
    if (after < 0) return -1;
    const close = bytes[after] === SPACE ? endOfDelta(bytes, after) : after;
    if (bytes[close] !== CLOSE_BRACKET) return -1;
    this.seconds = seconds;
    return close + 1;
  }

  /** `6,1234,5678901,-;`: level, number, microseconds and flags; netconsole may put the kernel's release before them. */
  #kmsgRecord(bytes: Uint8Array, start: number, end: number): number {
    const limit = Math.min(end, start + MAX_RECORD_HEAD);
    let semicolon = start;
    while (semicolon < limit && bytes[semicolon]! > SPACE && bytes[semicolon] !== SEMICOLON) semicolon++;
    if (semicolon === limit || bytes[semicolon] !== SEMICOLON) return -1;
    const head = KMSG_HEAD.exec(textAt(bytes, start, semicolon));
    if (head === null) return -1;
    const microseconds = Number(head[1]);
    this.seconds = Math.floor(microseconds / 1e6);
    this.nanoseconds = (microseconds % 1e6) * 1000;
    return semicolon + 1;
  }

  /** `1795820252.848947 host kernel: ` */
  #unixTime(bytes: Uint8Array, start: number, end: number): number {
    let seconds = 0;
    let at = start;
    for (; isDigit(bytes[at]!) && at < start + 12; at++) seconds = seconds * 10 + bytes[at]! - ZERO;
    if (bytes[at] !== DOT) return -1;
    at = this.#fraction(bytes, at + 1);
    const program = at >= 0 && bytes[at] === SPACE ? endOfProgram(bytes, at + 1, end, true) : -1;
    if (program >= 0) this.seconds = seconds;
    else this.nanoseconds = 0;
    return program;
  }

  /** `2026-11-27T22:13:24.627005Z` or with a blank and `+0000:`; after it perhaps a zone, and host and program. */
  #isoTime(bytes: Uint8Array, start: number, end: number): number {
    let at = this.#time(bytes, start);
    if (at < 0) return -1;
    if (bytes[at] === COLON) at++;
    if (bytes[at] !== SPACE) return -1;
    at = endOfZone(bytes, at + 1);
    const stream = endOfStream(bytes, at);
    if (stream >= 0) return stream;
    const program = endOfProgram(bytes, at, end);
    if (program >= 0) return program;
    const structured = endOfStructured(bytes, at, end);
    return structured < 0 ? at : structured;
  }

  /** `2026-11-27T22:13:24.627005+01:00`; returns its end, or -1. */
  #time(bytes: Uint8Array, start: number): number {
    if (!isClock(bytes, start + 11)) return -1;
    let at = start + 19;
    this.nanoseconds = 0;
    if (bytes[at] === DOT || bytes[at] === COMMA) at = this.#fraction(bytes, at + 1);
    if (at < 0) return -1;
    let zone = 0;
    if (bytes[at] === LETTER_Z) at++;
    else if (bytes[at] === PLUS || bytes[at] === DASH) {
      const sign = bytes[at] === PLUS ? 1 : -1;
      const hours = two(bytes, at + 1);
      at += bytes[at + 3] === COLON ? 4 : 3;
      zone = sign * (hours * 3600 + two(bytes, at) * 60);
      at += 2;
    }
    this.seconds = epochSeconds(bytes, start) - zone;
    return at;
  }

  /** Up to nine digits after a point. */
  #fraction(bytes: Uint8Array, start: number): number {
    let value = 0;
    let at = start;
    for (; isDigit(bytes[at]!) && at < start + 9; at++) value = value * 10 + bytes[at]! - ZERO;
    if (at === start) return -1;
    this.nanoseconds = value * 10 ** (9 - (at - start));
    return at;
  }
}

/** After an escape sequence that colours text or moves a cursor: `ESC [ 1;31 m`. */
export function endOfEscape(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start + 1] !== OPEN_BRACKET) return Math.min(start + 2, end);
  let at = start + 2;
  while (at < end && bytes[at]! < 0x40) at++;
  return Math.min(at + 1, end);
}

/** `<6>`, and the version of RFC 5424 behind it: `<6>1 `. */
function endOfLevel(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (isDigit(bytes[at]!)) at++;
  if (at === start + 1 || bytes[at] !== GREATER) return -1;
  return isDigit(bytes[at + 1]!) && bytes[at + 2] === SPACE && isDate(bytes, at + 3) ? at + 3 : at + 1;
}

/** `<span class="line">`, of a web page; a task may be called `<idle>`. */
function endOfTag(bytes: Uint8Array, start: number, end: number): number {
  if (!isLetter(bytes[start + 1]!) && bytes[start + 1] !== SLASH) return -1;
  const tag = TAG.exec(textAt(bytes, start, Math.min(end, start + MAX_TAG)));
  return tag === null ? -1 : start + tag[0].length;
}

/** `Nov 27 22:13:24 host program[1]: `, or the date alone. */
function endOfSyslog(bytes: Uint8Array, start: number, end: number): number {
  const day = endOfMonthAndDay(bytes, start);
  if (day < 0 || bytes[day] !== SPACE || !isClock(bytes, day + 1)) return -1;
  let at = day + 9;
  if (bytes[at] === DOT) at++;
  while (isDigit(bytes[at]!)) at++;
  if (bytes[at] !== SPACE) return -1;
  const program = endOfProgram(bytes, at + 1, end);
  return program < 0 ? at + 1 : program;
}

/** `Nov 27`, `Nov27` */
function endOfMonthAndDay(bytes: Uint8Array, start: number): number {
  for (let i = 0; i < 3; i++) if (!isLetter(bytes[start + i]!)) return -1;
  let at = start + 3;
  while (bytes[at] === SPACE && at < start + 5) at++;
  const first = at;
  while (isDigit(bytes[at]!)) at++;
  return at > first && at < first + 3 ? at : -1;
}

/** `Fri Nov 27 22:13:24 2026`, `Nov27 22:13` or `  +0.000123` of dmesg. */
function endOfDay(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === SPACE) at++;
  if (bytes[at] === PLUS) {
    for (at++; isDigit(bytes[at]!) || bytes[at] === DOT; ) at++;
    return at;
  }
  const day = endOfMonthAndDay(bytes, at);
  if (day >= 0 && bytes[day] === SPACE && isMinute(bytes, day + 1)) return day + 6;
  const date = bytes[at + 3] === SPACE ? endOfMonthAndDay(bytes, at + 4) : -1;
  if (date < 0 || bytes[date] !== SPACE || !isClock(bytes, date + 1)) return -1;
  return bytes[date + 9] === SPACE && areDigits(bytes, date + 10, 4) ? date + 14 : -1;
}

/** ` <    0.000123>` or ` <    0.000123 >`; returns its end, or `start`. */
function endOfDelta(bytes: Uint8Array, start: number): number {
  if (bytes[start + 1] !== LESS) return start;
  let at = start + 2;
  while (bytes[at] === SPACE || bytes[at] === DOT || isDigit(bytes[at]!)) at++;
  return bytes[at] === GREATER ? at + 1 : start;
}

/** `kern  :info  : ` */
function endOfFacility(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let words = 0; words < 2; words++) {
    const first = at;
    while (isLetter(bytes[at]!)) at++;
    if (at === first) return -1;
    while (bytes[at] === SPACE) at++;
    if (bytes[at++] !== COLON) return -1;
  }
  return bytes[at] === SPACE ? at + 1 : -1;
}

/** `[pod/guest/qemu] ` */
function endOfPod(bytes: Uint8Array, start: number, end: number): number {
  const last = endOfWord(bytes, start, end) - 1;
  if (bytes[last] !== CLOSE_BRACKET || last + 1 === end) return -1;
  for (let at = start; at < last; at++) if (bytes[at] === SLASH) return last + 1;
  return -1;
}

/** `UTC `: a time zone. */
function endOfZone(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! >= 0x41 && bytes[at]! <= 0x5a) at++;
  return at > start + 1 && at < start + 6 && bytes[at] === SPACE ? at + 1 : start;
}

/** `stdout F ` */
function endOfStream(bytes: Uint8Array, start: number): number {
  const stream = STREAMS.find((text) => startsWith(bytes, start, text));
  return stream === undefined ? -1 : start + stream.length;
}

/** `host program process message - `, of RFC 5424. */
function endOfStructured(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let words = 0; words < 4; words++) at = endOfWord(bytes, at, end) + 1;
  return at + 1 < end && bytes[at] === DASH && bytes[at + 1] === SPACE ? at + 2 : -1;
}

const afterBracket = (bytes: Uint8Array, at: number): number =>
  at >= 0 && bytes[at] === CLOSE_BRACKET ? at + 1 : -1;

/** `guest-1  | `: the name of a service. */
function endOfService(bytes: Uint8Array, start: number, end: number): number {
  let at = endOfWord(bytes, start, end);
  if (at + 2 >= end) return -1;
  while (at < end && bytes[at] === SPACE) at++;
  return bytes[at] === BAR && bytes[at + 1] === SPACE ? at + 2 : -1;
}

/**
 * `host program[1]: `, or `kernel: ` without host.
 *
 * @param isSure only the kernel, and programs with the number of their process, since other text may follow here
 */
function endOfProgram(bytes: Uint8Array, start: number, end: number, isSure = false): number {
  const host = endOfWord(bytes, start, end);
  if (isProgram(bytes, start, host) && host < end) return host + 1;
  const program = endOfWord(bytes, host + 1, end);
  if (program >= end || program <= host + 2 || bytes[program - 1] !== COLON) return -1;
  return isSure && !isProgram(bytes, host + 1, program) ? -1 : program + 1;
}

/** `kernel:`, `program[1]:` */
const isProgram = (bytes: Uint8Array, start: number, end: number): boolean =>
  bytes[end - 1] === COLON &&
  (bytes[end - 2] === CLOSE_BRACKET || (end - start === KERNEL.length && startsWith(bytes, start, KERNEL)));

function endOfWord(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== SPACE) at++;
  return at;
}

const two = (bytes: Uint8Array, at: number): number => (bytes[at]! - ZERO) * 10 + bytes[at + 1]! - ZERO;
const areDigits = (bytes: Uint8Array, at: number, count: number): boolean => {
  for (let i = 0; i < count; i++) if (!isDigit(bytes[at + i]!)) return false;
  return true;
};

/** `2026-11-27` and a `T` or a blank. */
const isDate = (bytes: Uint8Array, at: number): boolean =>
  areDigits(bytes, at, 4) &&
  bytes[at + 4] === DASH &&
  areDigits(bytes, at + 5, 2) &&
  bytes[at + 7] === DASH &&
  areDigits(bytes, at + 8, 2) &&
  (bytes[at + 10] === LETTER_T || bytes[at + 10] === SPACE);

/** `22:13` */
const isMinute = (bytes: Uint8Array, at: number): boolean =>
  areDigits(bytes, at, 2) && bytes[at + 2] === COLON && areDigits(bytes, at + 3, 2);

/** `22:13:24` */
const isClock = (bytes: Uint8Array, at: number): boolean =>
  isMinute(bytes, at) && bytes[at + 5] === COLON && areDigits(bytes, at + 6, 2);

/** Seconds since 1970 of `2026-11-27T22:13:24`, in the Gregorian calendar. */
function epochSeconds(bytes: Uint8Array, at: number): number {
  const month = two(bytes, at + 5);
  // Years begin in March here, so that the day of a leap year is the last one.
  const year = two(bytes, at) * 100 + two(bytes, at + 2) - (month < 3 ? 1 : 0);
  const leapDays = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400);
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + two(bytes, at + 8) - 1;
  const days = year * 365 + leapDays + dayOfYear - DAYS_TO_1970;
  return days * 86_400 + two(bytes, at + 11) * 3600 + two(bytes, at + 14) * 60 + two(bytes, at + 17);
}
