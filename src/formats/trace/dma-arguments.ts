import { numberOf } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, DIRECTION_NAMES, type LinuxDmaEvent, NO_DIRECTION } from "./dma-event.ts";
import {
  KEY_ATTRIBUTES,
  KEY_DEVICE,
  KEY_DIRECTION,
  KEY_DMA_ADDRESS,
  KEY_DMA_LIST,
  KEY_ENTRIES,
  KEY_ERROR,
  KEY_IGNORED,
  KEY_PHYS_ADDRESS,
  KEY_PHYS_LIST,
  KEY_POINTER,
  KEY_RANGES,
  KEY_SIZE,
  KEY_SIZE_LIST,
  KEY_TRUNCATED,
  keyOf,
  REQUIRED_KEYS,
} from "./dma-keys.ts";
import { kindsWith } from "./dma-kinds.ts";
import { DmaListReader } from "./dma-lists.ts";
import { hashOn, type Kept, KeptByHash } from "./kept-by-hash.ts";
import { isPlain, KeptText } from "./kept-text.ts";
import { hexDigit, NumberReader } from "./number-reader.ts";
import { encode, type NameTable, startsWith, WordSet } from "./words.ts";

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
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const STAR = 0x2a;
const COMMA = 0x2c;
const SLASH = 0x2f;
const ZERO = 0x30;
const COLON = 0x3a;
const EQUALS = 0x3d;
const OPEN_BRACKET = 0x5b;
const BAR = 0x7c;

const IS_ERROR = kindsWith(({ isError }) => isError);
const DIRECTIONS = new WordSet(DIRECTION_NAMES);
const ATTRIBUTES_WORDS = new WordSet(Object.keys(ATTRIBUTE_BITS));
const ATTRIBUTE_VALUES = Object.values(ATTRIBUTE_BITS);
const TRUNCATED_MARK = encode("[TRUNCATED]");
const FAILED_TO_PARSE = encode("[FAILED TO PARSE]");
const CALL_START = encode('device: "');
const NULLS = new WordSet(["(nil)", "0000000000000000", "0x0", "0"]);

/** Each byte a character. */
const LATIN1 = new TextDecoder("latin1");

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Bytes of a line that are hashed at most. */
const MAX_HASHED = 120;
/** Digits of an address of code, at least. */
const NOTED_DIGITS = 6;
/** Four bytes of `=`, and what finds a zero byte in a word. */
const FOUR_EQUALS = 0x3d3d_3d3d;
const LOW_BITS = 0x0101_0101;
const HIGH_BITS = 0x8080_8080;

/**
 * What lines say from the end of their time on that are the same but for the values of some keys: their text up to the
 * first of these, and the keys, each with the text after its value.
 */
interface KeptLine extends Kept {
  readonly kind: number;
  readonly device: number;
  readonly direction: number;
  /** Keys that were read, a bit for each. */
  readonly seen: number;
  readonly keys: Uint8Array;
  readonly texts: readonly KeptText[];
}

/**
 * Reads arguments into an event.
 *
 * Invariant *again*: reading a kept line is reading its values, by the methods that read them the first time; all else
 * of it is there byte for byte, and says the same once more.
 */
export class DmaArguments {
  readonly #event: LinuxDmaEvent;
  readonly #devices: NameTable;
  readonly #numbers = new NumberReader();
  readonly #lists = new DmaListReader();
  #seen = 0;
  /** Keys of the line that was read last, and where their values begin and end. */
  readonly #keys: number[] = [];
  readonly #values: number[] = [];
  readonly #lines = new KeptByHash<KeptLine>();
  /** Where the text ends that was hashed last. */
  #hashedTo = 0;
  /** Are addresses decimal? */
  #decimal = false;
  /** Is there a parenthesis after the last value? */
  #isCall = false;

  constructor(event: LinuxDmaEvent, devices: NameTable) {
    this.#event = event;
    this.#devices = devices;
  }

  /**
   * Reads what `perf trace` writes: `device: "0000:00:0a.0", dma_addr: 131072, size: 256, dir: 1, attrs: 0)`, in which
   * numbers are decimal. With `--libtraceevent_print` it is what {@link read} reads.
   */
  readCall(bytes: Uint8Array, start: number, end: number): boolean {
    if (!startsWith(bytes, start, CALL_START)) {
      this.#isCall = true;
      const isWhole = this.read(bytes, start, end);
      this.#isCall = false;
      return isWhole;
    }
    this.#event.clear();
    this.#event.device = -1;
    this.#seen = 0;
    this.#decimal = true;
    let at = start;
    while (at >= 0 && at < end && bytes[at] !== CLOSE_PARENTHESIS) at = this.#readPair(bytes, at, end);
    this.#decimal = false;
    return at >= 0 && at < end && this.#isWhole();
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
      if (key === KEY_POINTER) this.#event.nullPointer = NULLS.find(bytes, at, after) >= 0;
    } else after = this.#readValue(key, bytes, at);
    this.#seen |= 1 << key;
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
    this.#seen = 0;
    this.#keys.length = 0;
    this.#values.length = 0;
    for (let at = skipBlanks(bytes, start, end); at < end; at = skipBlanks(bytes, at, end)) {
      if (this.#isNote(bytes, at)) break;
      at = this.#readWord(bytes, at);
      if (at < 0) return false;
    }
    return this.#isWhole();
  }

  /**
   * Does a note of a tool begin here, which ends the line: of the place in the file (`[122054:0x5c:72]`, trace-cmd report
   * --debug), or of the code (`ffffffff9878c257 dma_alloc_attrs+0x117 …`, perf script -F +ip,sym)?
   */
  #isNote(bytes: Uint8Array, at: number): boolean {
    if (this.#event.device < 0) return false;
    if (bytes[at] === OPEN_BRACKET) {
      const colon = this.#numbers.decimal(bytes, at + 1);
      return colon >= 0 && bytes[colon] === COLON && this.#isWhole();
    }
    if (hexDigit(bytes[at]!) > 15) return false;
    const end = this.#numbers.hex(bytes, at);
    return end >= at + NOTED_DIGITS && bytes[end]! <= SPACE && this.#isWhole();
  }

  /**
   * Reads a line that differs from one that is kept in its values only, from the end of its time on.
   *
   * @param end of the lines that can be read
   * @returns the position after its line end, or -1
   */
  readAgain(bytes: Uint8Array, view: DataView, at: number, end: number): number {
    const lines = this.#lines;
    let line = lines.guess;
    let position = line === undefined ? -1 : line.text.endAt(view, at);
    if (position < 0) {
      line = lines.get(this.#hash(view, at, end));
      position = line === undefined ? -1 : line.text.endAt(view, at);
    }
    if (line === undefined || position < 0) return -1;
    lines.found(line);
    const event = this.#event;
    event.clear();
    event.kind = line.kind;
    event.device = line.device;
    event.direction = line.direction;
    this.#seen = line.seen;
    const { keys, texts } = line;
    for (let i = 0; i < keys.length; i++) {
      position = this.#readNoted(keys[i]!, bytes, position);
      if (position < 0) return -1;
      position = texts[i]!.endAt(view, position);
      if (position < 0) return -1;
    }
    return this.#isWhole() ? position : -1;
  }

  /**
   * Keeps the line that {@link read} has read last, if its like can come again: the first word with `=` names device or
   * direction, and the values of the others may differ.
   *
   * @param at the end of its time
   */
  keep(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const event = this.#event;
    const keys = this.#keys.slice(1);
    const values = this.#values.slice(2);
    const isKnown =
      this.#keys[0] === KEY_DIRECTION || (this.#keys[0] === KEY_DEVICE && !keys.includes(KEY_DEVICE));
    if (!isKnown || keys.length === 0 || event.truncated || !isPlain(bytes, at, end)) return;
    const hash = this.#hash(view, at, end);
    const textEnd = values[0]!;
    if (this.#hashedTo > textEnd) return;
    this.#lines.keep(hash, () => ({
      text: new KeptText(view, at, textEnd),
      next: undefined,
      kind: event.kind,
      device: event.device,
      direction: this.#keys[0] === KEY_DIRECTION ? event.direction : NO_DIRECTION,
      seen: this.#seen,
      keys: Uint8Array.from(keys),
      texts: keys.map((_key, i) => {
        const from = values[i * 2 + 1]!;
        return new KeptText(view, from, values[i * 2 + 2] ?? endOfLine(bytes, end));
      }),
    }));
  }

  /** A hash of what comes before the second word of four bytes that has a `=`. */
  #hash(view: DataView, start: number, end: number): number {
    const last = Math.min(end, start + MAX_HASHED);
    let hash = 0;
    let equals = 0;
    let at = start;
    for (; at < last; at += 4) {
      const word = view.getInt32(at, true);
      const other = word ^ FOUR_EQUALS;
      if (((other - LOW_BITS) & ~other & HIGH_BITS) !== 0 && ++equals === 2) break;
      hash = hashOn(hash, word);
    }
    this.#hashedTo = at;
    return hash;
  }

  #isWhole(): boolean {
    const event = this.#event;
    const required = REQUIRED_KEYS[event.kind]!;
    if (event.device < 0 || (this.#seen & required) !== required) return false;
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
    const end = this.#readNoted(key, bytes, equals + 1);
    this.#seen |= 1 << key;
    this.#keys.push(key);
    this.#values.push(equals + 1, end);
    return end;
  }

  /** Reads a value, up to a blank, and the remark in brackets after it. */
  #readNoted(key: number, bytes: Uint8Array, at: number): number {
    const end = this.#readValue(key, bytes, at);
    if (end < 0) return -1;
    if (bytes[end]! > SPACE) return this.#isCall && isClosed(bytes, end) ? end + 1 : -1;
    if (bytes[end] !== SPACE || bytes[end + 1] !== OPEN_PARENTHESIS) return end;
    return endOfWord(bytes, end + 1);
  }

  /** A word without `=`: the device, or a mark. */
  #readBareWord(bytes: Uint8Array, start: number, end: number): number {
    if (bytes[start] === STAR && bytes[start + 1] === SLASH && end === start + 2) return end; // ends a comment
    if (bytes[start] !== OPEN_BRACKET) {
      if (this.#event.device >= 0) return -1;
      this.#event.device = this.#devices.number(bytes, start, end);
      return end;
    }
    if (startsWith(bytes, start, FAILED_TO_PARSE)) return start + FAILED_TO_PARSE.length;
    if (!startsWith(bytes, start, TRUNCATED_MARK)) return -1;
    this.#event.truncated = true;
    return end;
  }

  #readValue(key: number, bytes: Uint8Array, at: number): number {
    const event = this.#event;
    const numbers = this.#numbers;
    let end: number;
    switch (key) {
      case KEY_DMA_ADDRESS:
        end = this.#address(bytes, at);
        event.dmaHi = numbers.hi;
        event.dmaLo = numbers.lo;
        return end;
      case KEY_PHYS_ADDRESS:
        end = this.#address(bytes, at);
        event.physHi = numbers.hi;
        event.physLo = numbers.lo;
        return end;
      case KEY_SIZE:
        end = this.#numbers.number(bytes, at);
        event.size = numberOf(numbers.hi, numbers.lo);
        return end;
      case KEY_DIRECTION:
        return this.#direction(bytes, at);
      case KEY_ATTRIBUTES:
        return this.#attributes(bytes, at);
      case KEY_DMA_LIST:
        // A list that could not be mapped has no DMA addresses: its physical ones stand under this name.
        return this.#lists.read(IS_ERROR[event.kind]! ? event.entries : event.ranges, 8, bytes, at);
      case KEY_SIZE_LIST:
        return this.#lists.read(event.rangeSizes, 4, bytes, at);
      case KEY_PHYS_LIST:
        return this.#lists.read(event.entries, 8, bytes, at);
      default:
        return this.#readRareValue(key, bytes, at);
    }
  }

  #readRareValue(key: number, bytes: Uint8Array, at: number): number {
    const event = this.#event;
    const end = endOfWord(bytes, at);
    switch (key) {
      case KEY_DEVICE:
        event.device = this.#devices.number(bytes, at, end);
        return end;
      case KEY_POINTER:
        event.nullPointer = NULLS.find(bytes, at, end) >= 0;
        return end;
      case KEY_ERROR: {
        const after = this.#numbers.signed(32, bytes, at);
        event.error = this.#numbers.lo | 0;
        return after;
      }
      case KEY_ENTRIES: {
        const after = this.#numbers.total(bytes, at);
        event.totalEntries = this.#numbers.lo;
        return after;
      }
      case KEY_RANGES: {
        const after = this.#numbers.total(bytes, at);
        event.totalRanges = this.#numbers.lo;
        return after;
      }
      case KEY_TRUNCATED: {
        // A field that is 0 is written as `(0)`.
        const after = this.#numbers.number(bytes, bytes[at] === OPEN_PARENTHESIS ? at + 1 : at);
        event.truncated = this.#numbers.lo !== 0;
        return after >= 0 && bytes[after] === CLOSE_PARENTHESIS ? after + 1 : after;
      }
      default:
        return end;
    }
  }

  #address(bytes: Uint8Array, at: number): number {
    return this.#decimal ? this.#numbers.number(bytes, at) : this.#numbers.address(bytes, at);
  }

  #direction(bytes: Uint8Array, at: number): number {
    const end = endOfWord(bytes, at);
    const direction = DIRECTIONS.find(bytes, at, end);
    this.#event.direction = direction;
    if (direction >= 0) return end;
    const after = this.#numbers.number(bytes, at);
    this.#event.direction = this.#numbers.lo;
    return this.#numbers.hi === 0 && this.#numbers.lo < DIRECTION_NAMES.length ? after : -1;
  }

  #addAttribute(name: string): void {
    const others = this.#event.otherAttributes;
    this.#event.otherAttributes = others === "" ? name : `${others}|${name}`;
  }

  /** Names with `|` between them, a number, or nothing. */
  #attributes(bytes: Uint8Array, at: number): number {
    let end = at;
    if (bytes[at] === ZERO || this.#decimal) {
      end = this.#numbers.number(bytes, at);
      this.#event.attributes = this.#numbers.lo;
      return end;
    }
    for (let from = at; bytes[end]! > SPACE && !isClosed(bytes, end); from = end + 1) {
      end = from;
      while (bytes[end]! > SPACE && bytes[end] !== BAR && !isClosed(bytes, end)) end++;
      const attribute = ATTRIBUTES_WORDS.find(bytes, from, end);
      if (attribute >= 0) this.#event.attributes |= ATTRIBUTE_VALUES[attribute]!;
      else if (end > from) this.#addAttribute(LATIN1.decode(bytes.subarray(from, end)));
    }
    return end;
  }
}

function skipBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at]! <= SPACE) at++;
  return at;
}

function endOfWord(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! > SPACE) at++;
  return at;
}

/** Does a parenthesis end a line here? */
const isClosed = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === CLOSE_PARENTHESIS && bytes[at + 1]! < SPACE;

/** After the line end that begins at `at`, of one byte or two. */
const endOfLine = (bytes: Uint8Array, at: number): number =>
  at + (bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? 2 : 1);
