import { NumberReader } from "./number-reader.ts";

/**
 * What loggers, consoles and mailers put before a line: it is passed over, and its time is kept.
 *
 *     [  912.123456] [  912.123456][    T0] <6>[ 1.2]       the kernel's log on a console
 *     Nov 27 22:13:24 host qemu-system-ppc64[4711]:          syslog and journalctl; the date alone: ts
 *     2026-11-27T22:13:24.627005Z                            QEMU 11, journalctl -o short-iso, libvirt
 *     guest-1  |                                             docker compose logs
 *     >                                                      an answer to a mail
 *     \x1b[32m                                               colours
 *
 * @module
 */

const ESCAPE = 0x1b;
const TAB = 0x09;
const SPACE = 0x20;
const PLUS = 0x2b;
const DASH = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const LESS = 0x3c;
const GREATER = 0x3e;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_C = 0x43;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const BAR = 0x7c;

/** Days from the first of March of the year 0 to 1970. */
const DAYS_TO_1970 = 719_468;

const isDigit = (byte: number): boolean => byte >= ZERO && byte < COLON;
const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;

/** Passes over prefixes of lines. After each line there must be something that is no part of one, such as its end. */
export class LinePrefix {
  /** Time of the prefix, NaN without one: of the kernel's log since boot, of others since 1970. */
  seconds: number = Number.NaN;
  nanoseconds = 0;
  readonly #numbers = new NumberReader();

  /** Where the line itself begins, after blanks, too. */
  skip(bytes: Uint8Array, start: number, end: number): number {
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    for (let at = start; ; ) {
      while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const next = at < end ? this.#skipOne(bytes, at, end) : -1;
      if (next < 0 || next > end) return at;
      at = next;
    }
  }

  /** The end of one prefix, or -1. */
  #skipOne(bytes: Uint8Array, at: number, end: number): number {
    const first = bytes[at]!;
    if (first === ESCAPE) return endOfEscape(bytes, at, end);
    if (first === GREATER) return at + 1;
    if (first === LESS) return endOfLevel(bytes, at);
    if (first === OPEN_BRACKET) return this.#kernelLog(bytes, at);
    if (isDigit(first)) return this.#isoTime(bytes, at, end);
    if (!isLetter(first)) return -1;
    const syslog = endOfSyslog(bytes, at, end);
    return syslog < 0 ? endOfService(bytes, at, end) : syslog;
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
    if (after < 0 || bytes[after] !== CLOSE_BRACKET) return -1;
    this.seconds = seconds;
    return after + 1;
  }

  /** `2026-11-27T22:13:24.627005Z` or with a blank and `+0000:`; after it perhaps host and program. */
  #isoTime(bytes: Uint8Array, start: number, end: number): number {
    if (!isDate(bytes, start) || !isClock(bytes, start + 11)) return -1;
    let at = start + 19;
    this.nanoseconds = 0;
    if (bytes[at] === DOT) at = this.#fraction(bytes, at + 1);
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
    if (bytes[at] === COLON) at++;
    if (bytes[at] !== SPACE) return -1;
    const program = endOfProgram(bytes, at + 1, end);
    return program < 0 ? at + 1 : program;
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

/** `<6>`. */
function endOfLevel(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (isDigit(bytes[at]!)) at++;
  return at > start + 1 && bytes[at] === GREATER ? at + 1 : -1;
}

/** `Nov 27 22:13:24 host program[1]: `, or the date alone. */
function endOfSyslog(bytes: Uint8Array, start: number, end: number): number {
  if (!isLetter(bytes[start + 1]!) || !isLetter(bytes[start + 2]!) || bytes[start + 3] !== SPACE) return -1;
  let at = start + 4;
  if (bytes[at] === SPACE) at++;
  if (!isDigit(bytes[at]!)) return -1;
  while (isDigit(bytes[at]!)) at++;
  if (bytes[at] !== SPACE || !isClock(bytes, at + 1)) return -1;
  at += 9;
  if (bytes[at] === DOT) at++;
  while (isDigit(bytes[at]!)) at++;
  if (bytes[at] !== SPACE) return -1;
  const program = endOfProgram(bytes, at + 1, end);
  return program < 0 ? at + 1 : program;
}

/** `guest-1  | `: the name of a service. */
function endOfService(bytes: Uint8Array, start: number, end: number): number {
  let at = endOfWord(bytes, start, end);
  if (at + 2 >= end) return -1;
  while (at < end && bytes[at] === SPACE) at++;
  return bytes[at] === BAR && bytes[at + 1] === SPACE ? at + 2 : -1;
}

/** `host program[1]: ` */
function endOfProgram(bytes: Uint8Array, start: number, end: number): number {
  const host = endOfWord(bytes, start, end);
  const program = endOfWord(bytes, host + 1, end);
  return bytes[program - 1] === COLON && program > host + 2 && program < end ? program + 1 : -1;
}

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

/** `22:13:24` */
const isClock = (bytes: Uint8Array, at: number): boolean =>
  areDigits(bytes, at, 2) &&
  bytes[at + 2] === COLON &&
  areDigits(bytes, at + 3, 2) &&
  bytes[at + 5] === COLON &&
  areDigits(bytes, at + 6, 2);

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
