/**
 * Finds lines that differ from lines before in their numbers only: the inner loop of the readers of text, in
 * AssemblyScript. `npm run matcher` compiles it to `src/formats/lines/line-matcher-code.ts`; its other half is
 * `src/formats/lines/line-matcher.ts`, which says what each function is for.
 *
 * A line is a head, a time and a rest. A *head* is text. A *rest* is pieces of text with values between them; the last
 * piece has the line end. Each is kept with its bytes and compared sixteen bytes at a time. What came after a head (a rest)
 * when it came last is tried first, and then those that have the same hash.
 *
 * Kept in memory (each at a multiple of 16):
 *
 *     head: next, 0, number, length, text
 *     rest: next, other, number, values, pieces; a piece: the way of the value before it, length, 0, 0, text
 *
 * `next` is what came after it last, `other` the rest with the same place in the table; both are addresses, or 0.
 * A text is padded to a multiple of 16 bytes, and after each there are 16 more.
 */

// The memory begins with the lines: those of a piece of a chunk, and of what was held before it.
export const TEXT_BYTES: usize = 0x14000;
/** Places of the values of a line that is to be kept: start, end and way of each. */
export const PLACES: usize = 0x14000;
/** Lengths of heads, the one that was found last first. */
const LENGTHS: usize = 0x14400;
/** Sixteen masks of sixteen bytes: the first none, one, two, ... of them. */
const MASKS: usize = 0x14500;
/** Tables by hash: what is kept, and the hash that came last. */
const HEADS: usize = 0x15000;
const HEAD_HASHES: usize = 0x19000;
const RESTS: usize = 0x1d000;
const REST_HASHES: usize = 0x21000;
const TABLES_END: usize = 0x25000;
/** Lines that were found, one after the other; see {@link record}. */
export const RECORDS: usize = TABLES_END;
export const RECORDS_END: usize = RECORDS + 0x1000;
const STORE: usize = RECORDS_END;
const STORE_END: usize = 0x80000;

const PLACE_BITS: u32 = 12;
/** Lengths of heads that are tried: one for each form, and one more for each long name or number. */
const MAX_LENGTHS: i32 = 6;
/** Rests with one place in the table. */
const MAX_OTHERS: i32 = 12;
/** Bytes of a rest that are hashed at most. */
const MAX_HASHED: i32 = 112;
/** Digits of a number; and of a part of a second. */
const MAX_DIGITS: usize = 16;
const NANOSECOND_DIGITS: usize = 9;
/** Digits of a part of a second in QEMU's log. */
const MICROSECOND_DIGITS: usize = 6;

/** Bytes of a record before its values, and at most. */
const RECORD_HEAD: usize = 40;
const MAX_RECORD: usize = RECORD_HEAD + 40 * 8;

// Ways to read a value: 1 is decimal.
const HEX: i32 = 0;
const WORD: i32 = 2;

const SPACE: u32 = 0x20;
const DOT: u32 = 0x2e;
const AT: u32 = 0x40;
const COLON: u32 = 0x3a;
const ZERO: u32 = 0x30;
const COLON_SPACE: u32 = 0x203a;
const LETTER_A: u32 = 0x61;
const EQUALS: u32 = 0x3d;

/** The number that was read last: its halves, the high one first, as events have them. */
let number: u64 = 0;
/**
 * Where what is found of a line is written, in words: number of its head (of a line without heads: its thread), number of its
 * rest, seconds, nanoseconds, where the time ends, where the next line begins, 0, 0, which word the next record begins with, 0;
 * then the values of its rest. The fifth is 0 if there is no time, the sixth if the line is not found.
 */
let record: usize = RECORDS;
let free: usize = STORE;
let heads: i32 = 0;
let rests: i32 = 0;
let lengths: i32 = 0;
/** Found last, or 0. */
let lastHead: usize = 0;
let lastRest: usize = 0;

for (let length = 0; length < 16; length++)
  for (let i = 0; i < length; i++) store<u8>(MASKS + length * 16 + i, 0xff);

/** Is the text at `kept` what stands at `at`? */
function isAt(kept: usize, length: i32, at: usize): bool {
  let i: usize = 0;
  let other = i64x2.splat(0);
  for (const whole: usize = length & ~15; i < whole; i += 16)
    other = v128.or(other, v128.xor(v128.load(kept + i), v128.load(at + i)));
  const rest = v128.xor(v128.load(kept + i), v128.load(at + i));
  other = v128.or(other, v128.and(rest, v128.load(MASKS + ((length & 15) << 4))));
  return !v128.any_true(other);
}

function isDigit(byte: u32): bool {
  return byte - ZERO <= 9;
}

/** Reads hexadecimal digits into {@link number}; returns where they end, or 0 if there are none or more than sixteen. */
function readHex(at: usize): usize {
  let position = at;
  let value: u64 = 0;
  for (; ; position++) {
    const byte: u32 = load<u8>(position);
    let digit = byte - ZERO;
    if (digit > 9) {
      if (byte - LETTER_A > 5) break;
      digit = byte - LETTER_A + 10;
    }
    value = (value << 4) | digit;
  }
  return keepNumber(value, at, position);
}

/** The same of decimal ones. */
function readDecimal(at: usize): usize {
  let position = at;
  let value: u64 = 0;
  for (; ; position++) {
    const digit = <u32>load<u8>(position) - ZERO;
    if (digit > 9) break;
    value = value * 10 + digit;
  }
  return keepNumber(value, at, position);
}

function keepNumber(value: u64, at: usize, end: usize): usize {
  number = (value << 32) | (value >> 32);
  return end - at - 1 < MAX_DIGITS ? end : 0;
}

function padded(length: i32): usize {
  return (length + 15) & ~15;
}

function hashOn(hash: u64, word: u64): u64 {
  const mixed = (hash ^ word) * 0x9e37_79b9_7f4a_7c15;
  return mixed ^ (mixed >> 29);
}

function placeOf(hash: u64): usize {
  return (<usize>(hash & ((1 << PLACE_BITS) - 1))) << 2;
}

/** A hash of so many bytes, at least eight. */
function hashOf(at: usize, length: i32): u64 {
  const last = at + length - 8;
  let hash: u64 = length;
  for (let word = at; word < last; word += 8) hash = hashOn(hash, load<u64>(word));
  return hashOn(hash, load<u64>(last));
}

/** A hash of what comes before the first blank after a `=`, which is before the first value of a rest. */
function hashOfRest(at: usize): u64 {
  let equals = 0;
  for (let i = 0; i < MAX_HASHED; i += 16) {
    const bytes = v128.load(at + i);
    let blanks = i8x16.bitmask(i8x16.le_u(bytes, i8x16.splat(<i8>SPACE)));
    if (equals === 0) {
      equals = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(<i8>EQUALS)));
      // Those after it.
      blanks &= -(equals & -equals);
      if (equals === 0) continue;
    }
    if (blanks !== 0) return hashOf(at, max(8, i + ctz<i32>(blanks)));
  }
  return hashOf(at, MAX_HASHED);
}

/** Is that the head of the line at `at`, and all that comes before its time? */
function isHeadAt(head: usize, at: usize): bool {
  const length = load<i32>(head, 12);
  return isAt(head + 16, length, at) && <u32>load<u8>(at + length) !== SPACE;
}

function findHead(at: usize): usize {
  const guess: usize = lastHead === 0 ? 0 : load<u32>(lastHead);
  if (guess !== 0 && isHeadAt(guess, at)) {
    lastHead = guess;
    return guess;
  }
  for (let i = 0; i < lengths; i++) {
    const length = load<i32>(LENGTHS + (i << 2));
    const head: usize = load<u32>(HEADS + placeOf(hashOf(at, length)));
    if (head === 0 || load<i32>(head, 12) !== length || !isHeadAt(head, at)) continue;
    store<i32>(LENGTHS + (i << 2), load<i32>(LENGTHS));
    store<i32>(LENGTHS, length);
    if (lastHead !== 0) store<u32>(lastHead, <u32>head);
    lastHead = head;
    return head;
  }
  return 0;
}

/** If that is the rest of the line at `at`: stores its values, and returns where the next line begins; else 0. */
function readRest(rest: usize, at: usize): usize {
  let piece = rest + 16;
  let length = load<i32>(piece, 4);
  if (!isAt(piece + 16, length, at)) return 0;
  let position = at + length;
  const values = record + RECORD_HEAD;
  const end = values + (load<i32>(rest, 12) << 3);
  for (let value = values; value < end; value += 8) {
    piece += 16 + padded(length);
    const way = load<i32>(piece);
    if (way === WORD) {
      number = position;
      while (<u32>load<u8>(position) > SPACE) position++;
      number |= (<u64>position) << 32;
    } else {
      position = way === HEX ? readHex(position) : readDecimal(position);
      if (position === 0) return 0;
    }
    store<u64>(value, number);
    length = load<i32>(piece, 4);
    if (!isAt(piece + 16, length, position)) return 0;
    position += length;
  }
  return position;
}

/** Finds the rest at `at`; returns where the next line begins, or 0. */
function findRest(at: usize): usize {
  const guess: usize = lastRest === 0 ? 0 : load<u32>(lastRest);
  let next: usize = guess === 0 ? 0 : readRest(guess, at);
  let rest = guess;
  if (next === 0) {
    rest = load<u32>(RESTS + placeOf(hashOfRest(at)));
    while (rest !== 0) {
      next = readRest(rest, at);
      if (next !== 0) break;
      rest = load<u32>(rest, 4);
    }
    if (next === 0) return 0;
    if (lastRest !== 0) store<u32>(lastRest, <u32>rest);
  }
  lastRest = rest;
  store<i32>(record, load<i32>(rest, 8), 4);
  return next;
}

/** Reads seconds with a part, of so many digits, and stores them; returns where they end, or 0. */
function readTime(at: usize, fewest: usize, most: usize): usize {
  const dot = readDecimal(at);
  if (dot === 0 || <u32>number !== 0 || <u32>load<u8>(dot) !== DOT) return 0;
  store<u32>(record, <u32>(number >> 32), 8);
  const end = readDecimal(dot + 1);
  const digits = end - dot - 1;
  if (end === 0 || digits < fewest || digits > most) return 0;
  let nanoseconds = <u32>(number >> 32);
  for (let i = digits; i < NANOSECOND_DIGITS; i++) nanoseconds *= 10;
  store<u32>(record, nanoseconds, 12);
  return end;
}

/** Finds a head and reads the time after it, and the colon and the blank after that; returns where the time ends, or 0. */
function findHeadAndTime(at: usize): usize {
  const head = findHead(at);
  if (head === 0) return 0;
  store<i32>(record, load<i32>(head, 8));
  const end = readTime(at + load<i32>(head, 12), 1, NANOSECOND_DIGITS);
  return end !== 0 && <u32>load<u16>(end) === COLON_SPACE ? end : 0;
}

/** Reads thread and time before an event of QEMU: `1@2.000003:`; returns where that ends, or 0. */
function readOrigin(at: usize): usize {
  const end = readDecimal(at);
  if (end === 0 || <u32>number !== 0 || <u32>load<u8>(end) !== AT) return 0;
  store<u32>(record, <u32>(number >> 32));
  const colon = readTime(end + 1, MICROSECOND_DIGITS, MICROSECOND_DIGITS);
  return colon !== 0 && <u32>load<u8>(colon) === COLON ? colon + 1 : 0;
}

/** Finds a line, and stores what is found; returns where the next one begins, or 0. */
function findLine(at: usize, hasHeads: bool): usize {
  const hasTime = hasHeads || isDigit(load<u8>(at));
  const time = hasHeads ? findHeadAndTime(at) : hasTime ? readOrigin(at) : 0;
  store<u32>(record, <u32>time, 16);
  const next: usize = hasTime && time === 0 ? 0 : findRest(hasTime ? time : at);
  store<u32>(record, <u32>next, 20);
  store<u64>(record, 0, 24);
  return next;
}

function wordOf(record: usize): usize {
  return (record - RECORDS) >> 2;
}

export function findLines(at: usize, end: usize, hasHeads: bool): usize {
  record = RECORDS;
  for (let position = at; position < end; ) {
    if (record > RECORDS_END - RECORD_HEAD - MAX_RECORD) {
      // The next line was not looked at.
      store<u32>(record, 1, 20);
      break;
    }
    position = findLine(position, hasHeads);
    if (position === 0) break;
    const after = record + RECORD_HEAD + (load<i32>(lastRest, 12) << 3);
    store<u32>(record, <u32>wordOf(after), 32);
    record = after;
  }
  return wordOf(record);
}

export function forget(): void {
  memory.fill(HEADS, 0, TABLES_END - HEADS);
  free = STORE;
  heads = rests = lengths = 0;
  lastHead = lastRest = 0;
}

export function hasRoom(bytes: i32): bool {
  return free + bytes <= STORE_END;
}

export function keepHead(at: usize, length: i32): i32 {
  const hash = hashOf(at, length);
  const place = placeOf(hash);
  if (!comesAgain(HEAD_HASHES + place, hash)) return -1;
  const head = free;
  store<u32>(head, 0);
  store<i32>(head, heads, 8);
  keepText(head + 12, at, length);
  free = head + 16 + padded(length);
  store<u32>(HEADS + place, <u32>head);
  for (let i = 0; i < lengths; i++) if (load<i32>(LENGTHS + (i << 2)) === length) return heads++;
  if (lengths < MAX_LENGTHS) lengths++;
  store<i32>(LENGTHS + ((lengths - 1) << 2), length);
  return heads++;
}

export function keepRest(at: usize, values: i32, end: usize): i32 {
  const hash = hashOfTexts(at, values, end);
  if (!comesAgain(REST_HASHES + placeOf(hash), hash)) return -1;
  const place = placeOf(hashOfRest(at));
  const rest = free;
  const first: usize = load<u32>(RESTS + place);
  store<u32>(rest, 0);
  store<u32>(rest, <u32>first, 4);
  store<i32>(rest, rests, 8);
  store<i32>(rest, values, 12);
  let piece = rest + 16;
  let from = at;
  let way = HEX;
  for (let i = 0; i <= values; i++) {
    const value = PLACES + i * 12;
    const to = i < values ? <usize>load<u32>(value) : end;
    const length = <i32>(to - from);
    store<i32>(piece, way);
    keepText(piece + 4, from, length);
    piece += 16 + padded(length);
    from = load<u32>(value, 4);
    way = load<i32>(value, 8);
  }
  free = piece;
  store<u32>(RESTS + place, <u32>rest);
  let last = rest;
  for (let i = 1; i < MAX_OTHERS && last !== 0; i++) last = load<u32>(last, 4);
  if (last !== 0) store<u32>(last, 0, 4);
  return rests++;
}

/** A hash of all that is to be kept of a line. */
function hashOfTexts(at: usize, values: i32, end: usize): u64 {
  let hash: u64 = values;
  let from = at;
  for (let i = 0; i <= values; i++) {
    const value = PLACES + i * 12;
    const to = i < values ? <usize>load<u32>(value) : end;
    for (let position = from; position < to; position++) hash = hashOn(hash, load<u8>(position));
    from = load<u32>(value, 4);
  }
  return hash;
}

/** Did the text with this hash come before? What comes once is not kept. */
function comesAgain(place: usize, hash: u64): bool {
  const isKnown = load<u32>(place) === <u32>(hash >> 32);
  store<u32>(place, <u32>(hash >> 32));
  return isKnown;
}

/** Stores a text's length at `to`, and the text at the next multiple of 16. */
function keepText(to: usize, at: usize, length: i32): void {
  store<i32>(to, length);
  memory.copy((to + 4 + 15) & ~15, at, length);
}
