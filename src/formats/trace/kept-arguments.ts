import { numberOf } from "../../base/u64.ts";
import type { DmaArguments } from "./dma-arguments.ts";
import { type LinuxDmaEvent, NO_DIRECTION } from "./dma-event.ts";
import {
  KEY_ATTRIBUTES,
  KEY_DEVICE,
  KEY_DIRECTION,
  KEY_DMA_ADDRESS,
  KEY_PHYS_ADDRESS,
  KEY_SIZE,
} from "./dma-keys.ts";
import type { DmaValues } from "./dma-values.ts";
import { hashOn, type Kept, KeptByHash } from "./kept-by-hash.ts";
import { isPlain, KeptText } from "./kept-text.ts";
import { hexDigit, NumberReader } from "./number-reader.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ZERO = 0x30;
/** Bytes of a line that are hashed at most. */
const MAX_HASHED = 120;
/** Four bytes of `=`, and what finds a zero byte in a word. */
const FOUR_EQUALS = 0x3d3d_3d3d;
const LOW_BITS = 0x0101_0101;
const HIGH_BITS = 0x8080_8080;

/** How a value is read: an address in hexadecimal digits, a size in decimal ones, or by its key. */
const DMA_ADDRESS = 0;
const PHYS_ADDRESS = 1;
const SIZE = 2;
const OTHER = 3;

/**
 * What lines say from the end of their time on that are the same but for the values of some keys: their text up to the
 * first of these, and the keys, each with the way to read it and the text after its value.
 */
interface KeptLine extends Kept {
  readonly kind: number;
  readonly device: number;
  readonly direction: number;
  /** Keys that were read, a bit for each. */
  readonly seen: number;
  readonly keys: Uint8Array;
  readonly ways: Uint8Array;
  readonly texts: readonly KeptText[];
  /** After which value nothing comes but attributes, if all before are numbers, -1 otherwise; the text from there on, and what these are. */
  readonly last: number;
  readonly tail: KeptText;
  readonly attributes: number;
  readonly otherAttributes: string;
}

/**
 * Reads arguments again, from the end of the time of a line on, that differ from others before in their values only.
 *
 * Invariant *again*: reading a kept line is reading its values, which say the same as when they are read the first time;
 * all else of it is there byte for byte, and says the same once more.
 */
export class KeptArguments {
  readonly #event: LinuxDmaEvent;
  readonly #arguments: DmaArguments;
  readonly #values: DmaValues;
  readonly #numbers = new NumberReader();
  readonly #pair = new Uint32Array(2);
  readonly #lines = new KeptByHash<KeptLine>();
  /** Where the text ends that was hashed last. */
  #hashedTo = 0;

  constructor(event: LinuxDmaEvent, dmaArguments: DmaArguments) {
    this.#event = event;
    this.#arguments = dmaArguments;
    this.#values = dmaArguments.values;
  }

  /**
   * Reads a line from the end of its time on.
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
    const { ways, texts } = line;
    for (let i = 0; i < ways.length; i++) {
      position = this.#readValue(ways[i]!, line.keys[i]!, bytes, view, position);
      if (position < 0) return -1;
      if (i === line.last) {
        const next = line.tail.endAt(view, position);
        if (next >= 0) {
          event.attributes = line.attributes;
          event.otherAttributes = line.otherAttributes;
          return next;
        }
      }
      position = texts[i]!.endAt(view, position);
      if (position < 0) return -1;
    }
    return this.#arguments.isWhole(line.seen) ? position : -1;
  }

  #readValue(way: number, key: number, bytes: Uint8Array, view: DataView, at: number): number {
    const event = this.#event;
    const pair = this.#pair;
    if (way === OTHER) return this.#values.readNoted(key, bytes, at);
    if (way === SIZE) {
      const end = this.#numbers.decimal(bytes, at);
      event.size = numberOf(this.#numbers.hi, this.#numbers.lo);
      return end;
    }
    const end = this.#numbers.hexInto(view, at, pair, 0);
    if (way === DMA_ADDRESS) {
      event.dmaHi = pair[0]!;
      event.dmaLo = pair[1]!;
    } else {
      event.physHi = pair[0]!;
      event.physLo = pair[1]!;
    }
    return end;
  }

  /**
   * Keeps the line of which the arguments were read last, if its like can come again: the first word with `=` names device
   * or direction, and the values of the others may differ.
   *
   * @param at the end of its time
   */
  keep(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    const event = this.#event;
    const [first, ...keys] = this.#arguments.keys;
    const values = this.#arguments.places.slice(2);
    const isKnown = first === KEY_DIRECTION || (first === KEY_DEVICE && !keys.includes(KEY_DEVICE));
    if (!isKnown || keys.length === 0 || event.truncated || !isPlain(bytes, at, end)) return;
    const hash = this.#hash(view, at, end);
    const textEnd = values[0]!;
    if (this.#hashedTo > textEnd) return;
    this.#lines.keep(hash, () => {
      const ways = Uint8Array.from(keys, (key, i) => wayOf(key, bytes, values[i * 2]!, values[i * 2 + 1]!));
      const numbers = keys.at(-1) === KEY_ATTRIBUTES ? keys.length - 1 : keys.length;
      const last = numbers > 0 && ways.subarray(0, numbers).every((way) => way !== OTHER) ? numbers - 1 : -1;
      const lineEnd = endOfLine(bytes, end);
      return {
        text: new KeptText(view, at, textEnd),
        next: undefined,
        kind: event.kind,
        device: event.device,
        direction: first === KEY_DIRECTION ? event.direction : NO_DIRECTION,
        seen: this.#arguments.seen,
        keys: Uint8Array.from(keys),
        ways,
        texts: keys.map((_key, i) => {
          const from = values[i * 2 + 1]!;
          return new KeptText(view, from, values[i * 2 + 2] ?? lineEnd);
        }),
        last,
        tail: new KeptText(view, last < 0 ? lineEnd : values[last * 2 + 1]!, lineEnd),
        attributes: event.attributes,
        otherAttributes: event.otherAttributes,
      };
    });
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
}

/** How to read values like the one in `[start, end)`. */
function wayOf(key: number, bytes: Uint8Array, start: number, end: number): number {
  const value = bytes.subarray(start, end);
  if (key === KEY_SIZE) return value.every((byte) => byte >= ZERO && byte < ZERO + 10) ? SIZE : OTHER;
  if (!value.every((byte) => hexDigit(byte) < 16)) return OTHER;
  if (key === KEY_DMA_ADDRESS) return DMA_ADDRESS;
  return key === KEY_PHYS_ADDRESS ? PHYS_ADDRESS : OTHER;
}

/** After the line end that begins at `at`, of one byte or two. */
const endOfLine = (bytes: Uint8Array, at: number): number =>
  at + (bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? 2 : 1);
