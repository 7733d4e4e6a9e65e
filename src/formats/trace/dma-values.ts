import { numberOf } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, DIRECTION_NAMES, type LinuxDmaEvent } from "./dma-event.ts";
import {
  KEY_ATTRIBUTES,
  KEY_DEVICE,
  KEY_DIRECTION,
  KEY_DMA_ADDRESS,
  KEY_DMA_LIST,
  KEY_ENTRIES,
  KEY_ERROR,
  KEY_PHYS_ADDRESS,
  KEY_PHYS_LIST,
  KEY_POINTER,
  KEY_RANGES,
  KEY_SIZE,
  KEY_SIZE_LIST,
  KEY_TRUNCATED,
} from "./dma-keys.ts";
import { kindsWith } from "./dma-kinds.ts";
import { DmaListReader } from "./dma-lists.ts";
import { NumberReader } from "./number-reader.ts";
import { type NameTable, WordSet } from "./words.ts";

const SPACE = 0x20;
const EQUALS = 0x3d;
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const ZERO = 0x30;
const BAR = 0x7c;

const IS_ERROR = kindsWith(({ isError }) => isError);
const DIRECTIONS = new WordSet(DIRECTION_NAMES);
const ATTRIBUTES_WORDS = new WordSet(Object.keys(ATTRIBUTE_BITS));
const ATTRIBUTE_VALUES = Object.values(ATTRIBUTE_BITS);
const NULLS = new WordSet(["(nil)", "0000000000000000", "0x0", "0"]);

/** Each byte a character. */
const LATIN1 = new TextDecoder("latin1");

/** Reads the values of arguments into an event. */
export class DmaValues {
  /** Are addresses decimal? */
  isDecimal = false;
  /** Is there a parenthesis after the last value? */
  isCall = false;
  readonly #event: LinuxDmaEvent;
  readonly #devices: NameTable;
  readonly #numbers = new NumberReader();
  readonly #lists = new DmaListReader();

  constructor(event: LinuxDmaEvent, devices: NameTable) {
    this.#event = event;
    this.#devices = devices;
  }

  /** Reads a value, up to a blank, and the remark in brackets after it; returns its end, or -1. */
  readNoted(key: number, bytes: Uint8Array, at: number): number {
    const end = this.read(key, bytes, at);
    if (end < 0) return -1;
    if (bytes[end]! > SPACE) return this.isCall && isClosed(bytes, end) ? end + 1 : -1;
    if (bytes[end] !== SPACE || bytes[end + 1] !== OPEN_PARENTHESIS) return end;
    return endOfWord(bytes, end + 1);
  }

  /** Reads a value; returns its end, or -1. */
  read(key: number, bytes: Uint8Array, at: number): number {
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
        // The next field stands right behind it: a line was broken at the blank between them.
        if (bytes.subarray(at, end).includes(EQUALS)) return -1;
        event.device = this.#devices.number(bytes, at, end);
        return end;
      case KEY_POINTER:
        event.nullPointer = isNull(bytes, at, end);
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
    return this.isDecimal ? this.#numbers.number(bytes, at) : this.#numbers.address(bytes, at);
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
    if (bytes[at] === ZERO || this.isDecimal) {
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

/** Where the word ends that begins at `start`. */
export function endOfWord(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at]! > SPACE) at++;
  return at;
}

/** Is a word a null pointer? */
export const isNull = (bytes: Uint8Array, start: number, end: number): boolean =>
  NULLS.find(bytes, start, end) >= 0;

/** Does a parenthesis end a line here? */
const isClosed = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === CLOSE_PARENTHESIS && bytes[at + 1]! < SPACE;
