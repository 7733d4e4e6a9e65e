import type { LinuxDmaEvent } from "./dma-event.ts";
import { KEY_DEVICE, KEY_IGNORED, KEY_POINTER, KEY_SIZE_LIST, keyOf, REQUIRED_KEYS } from "./dma-keys.ts";
import { DmaValues, endOfWord, isNull } from "./dma-values.ts";
import { hexDigit, NumberReader } from "./number-reader.ts";
import { encode, type NameTable, startsWith } from "./words.ts";

/**
 * What stands after an event's name, in all the forms in which tools write it.
 *
 *     0000:00:03.0 dir=TO_DEVICE dma_addr=120000 size=1536 …          as the kernel prints it
 *     device=0000:00:03.0 addr=0x120000 (1179648) size=0x600 (1536) … the fields option
 *     device=0000:00:03.0 addr=120000 size=1536 dir=1 attrs=0x0       trace-cmd report -R
 *     [FAILED TO PARSE] device=0000:00:03.0 … lengths=ARRAY[00, a0, 00, 00] …
 *
 * All of them are words with `=`, whatever their order.
 *
 * @module
 */

const SPACE = 0x20;
const QUOTE = 0x22;
const CLOSE_PARENTHESIS = 0x29;
const STAR = 0x2a;
const COMMA = 0x2c;
const SLASH = 0x2f;
const COLON = 0x3a;
const EQUALS = 0x3d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const TRUNCATED_MARK = encode("[TRUNCATED]");
const FAILED = encode("[FAILED ");
const CALL_START = encode('device: "');

/** Digits of an address of code, at least. */
const NOTED_DIGITS = 6;

/** Bytes that a device's name may have where blanks are a part of it. */
const MAX_SPACED_NAME = 64;

/** Reads arguments into an event. */
export class DmaArguments {
  readonly values: DmaValues;
  /** Keys that were read last, a bit for each; */
  seen = 0;
  /** in the order of the line, unless that is a call; and where the value of each begins and ends. */
  readonly keys: number[] = [];
  readonly places: number[] = [];
  readonly #event: LinuxDmaEvent;
  readonly #devices: NameTable;
  readonly #numbers = new NumberReader();

  constructor(event: LinuxDmaEvent, devices: NameTable) {
    this.#event = event;
    this.#devices = devices;
    this.values = new DmaValues(event, devices);
  }

  /**
   * Reads what `perf trace` writes: `device: "0000:00:0a.0", dma_addr: 131072, size: 256, dir: 1, attrs: 0)`, in which
   * numbers are decimal. With `--libtraceevent_print` it is what {@link read} reads.
   */
  readCall(bytes: Uint8Array, start: number, end: number): boolean {
    if (!startsWith(bytes, start, CALL_START)) {
      this.values.isCall = true;
      const isWhole = this.read(bytes, start, end);
      this.values.isCall = false;
      return isWhole;
    }
    this.#event.clear();
    this.#event.device = -1;
    this.seen = 0;
    this.values.isDecimal = true;
    let at = start;
    while (at >= 0 && at < end && bytes[at] !== CLOSE_PARENTHESIS) at = this.#readPair(bytes, at, end);
    this.values.isDecimal = false;
    return at >= 0 && at < end && this.isWhole(this.seen);
  }

  /** Reads `key: value` and the comma after it; returns where the next one begins, or -1. */
  #readPair(bytes: Uint8Array, start: number, end: number): number {
    let colon = start;
    while (colon < end && bytes[colon] !== COLON) colon++;
    const at = colon + 2;
    if (at >= end) return -1;
    const key = keyOf(bytes, start, colon);
    let after: number;
    if (bytes[at] === QUOTE) {
      after = bytes.indexOf(QUOTE, at + 1);
      if (after < 0 || after >= end) return -1;
      if (key === KEY_DEVICE) this.#event.device = this.#devices.number(bytes, at + 1, after);
      after++;
    } else if (key === KEY_POINTER || key === KEY_IGNORED) {
      for (after = at; after < end && bytes[after] !== COMMA && bytes[after] !== CLOSE_PARENTHESIS; ) after++;
      if (key === KEY_POINTER) this.#event.nullPointer = isNull(bytes, at, after);
    } else after = this.values.read(key, bytes, at);
    this.seen |= 1 << key;
    if (after < 0 || bytes[after] === CLOSE_PARENTHESIS) return after;
    return bytes[after] === COMMA ? after + 2 : -1;
  }

  /**
   * Reads `[start, end)`. There is a line end at or after `end`.
   *
   * @returns false if something is missing or reads wrong
   */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.#event.clear();
    this.#event.device = -1;
    this.seen = 0;
    this.keys.length = 0;
    this.places.length = 0;
    for (let at = skipBlanks(bytes, start, end); at < end; at = skipBlanks(bytes, at, end)) {
      if (this.#isNote(bytes, at)) break;
      at = this.#readWord(bytes, at);
      if (at < 0) return false;
    }
    return this.isWhole(this.seen);
  }

  /**
   * Does a note of a tool begin here, which ends the line: of the place in the file (`[122054:0x5c:72]`, trace-cmd report
   * --debug), or of the code (`ffffffff9878c257 dma_alloc_attrs+0x117 …`, perf script -F +ip,sym)?
   */
  #isNote(bytes: Uint8Array, at: number): boolean {
    if (this.#event.device < 0) return false;
    if (bytes[at] === OPEN_BRACKET) {
      const colon = this.#numbers.decimal(bytes, at + 1);
      return colon >= 0 && bytes[colon] === COLON && this.isWhole(this.seen);
    }
    if (hexDigit(bytes[at]!) > 15) return false;
    const end = this.#numbers.hex(bytes, at);
    return end >= at + NOTED_DIGITS && bytes[end]! <= SPACE && this.isWhole(this.seen);
  }

  /** Has the event a device and all that its kind must have, if these keys were read? */
  isWhole(seen: number): boolean {
    const event = this.#event;
    const required = REQUIRED_KEYS[event.kind]!;
    if (event.device < 0 || (seen & required) !== required) return false;
    if (event.totalEntries === 0) event.totalEntries = event.entries.length;
    if (event.totalRanges === 0) event.totalRanges = event.ranges.length;
    return (required & (1 << KEY_SIZE_LIST)) === 0 || event.ranges.length === event.rangeSizes.length;
  }

  /** Reads one word, and the remark in brackets after it; returns its end, or -1. */
  #readWord(bytes: Uint8Array, start: number): number {
    let equals = start;
    while (bytes[equals]! > SPACE && bytes[equals] !== EQUALS) equals++;
    // No key is empty: this is a device with an odd name.
    if (equals === start) equals = endOfWord(bytes, start);
    if (bytes[equals] !== EQUALS) return this.#readBareWord(bytes, start, equals);
    const key = keyOf(bytes, start, equals);
    const end = this.values.readNoted(key, bytes, equals + 1);
    this.seen |= 1 << key;
    this.keys.push(key);
    this.places.push(equals + 1, end);
    return end;
  }

  /** A word without `=`: the device, or a mark. */
  #readBareWord(bytes: Uint8Array, start: number, end: number): number {
    if (bytes[start] === STAR && bytes[start + 1] === SLASH && end === start + 2) return end; // ends a comment
    if (bytes[start] !== OPEN_BRACKET) {
      if (this.#event.device >= 0) return -1;
      const nameEnd = endOfName(bytes, start, end);
      this.#event.device = this.#devices.number(bytes, start, nameEnd);
      return nameEnd;
    }
    if (startsWith(bytes, start, FAILED)) return endOfMark(bytes, start);
    if (!startsWith(bytes, start, TRUNCATED_MARK)) return -1;
    this.#event.truncated = true;
    return end;
  }
}

/** Where `[FAILED TO PARSE]` ends, however its words are spaced; -1 if its line ends before. */
function endOfMark(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! >= SPACE && bytes[at] !== CLOSE_BRACKET) at++;
  return bytes[at] === CLOSE_BRACKET ? at + 1 : -1;
}

/** Where a name ends of which the first word does at `end`: before the first key after it, if there is one. */
function endOfName(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end; bytes[at] === SPACE && at - start < MAX_SPACED_NAME; ) {
    let next = at + 1;
    while (bytes[next] === SPACE) next++;
    if (bytes[next] === OPEN_BRACKET) break;
    while (bytes[next]! > SPACE && bytes[next] !== EQUALS) next++;
    if (bytes[next] === EQUALS) return at;
    at = next;
  }
  return end;
}

function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at]! <= SPACE) at++;
  return at;
}
