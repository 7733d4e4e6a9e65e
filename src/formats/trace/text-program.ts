import { NumberReader } from "./number-reader.ts";
import { D32, D64, POINTER, type TraceSchema, U32, X64 } from "./trace-schema.ts";
import { encode, startsWith } from "./words.ts";

/**
 * Matching of an event's line, words of it at a time.
 *
 * A schema becomes {@link Stretch}es: each is text and the numbers in it that
 * are mostly those of the line before (a LIOBN, a status, a mask), and is
 * followed by an address, or ends the line. A stretch that stands there once
 * more, byte for byte, has the same numbers once more: it is compared and not
 * read.
 *
 * No text has a line end but at its end, so that matching stops at one: what
 * lies after it may be read, but is never taken for the text.
 *
 * @module
 */

const STRETCH_END = -1;
const LINE_END = -2;
// V8 folds a constant of the module itself, but loads an imported one each time.
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ZERO = 0x30;
const LETTER_X = 0x78;

const NIL = encode("(nil)");

/** Arguments that differ from line to line. */
const CHANGING: readonly string[] = ["ioba", "tce", "list", "busOffset"];

/** The most words of a stretch that is remembered; others are read each time. */
const MAX_WORDS = 16;

/** What a schema says of a piece of a line; all readers have the same. */
export interface StretchText {
  /**
   * For each text: its length, where its whole words end in the program, these,
   * mask and value of the bytes that are left; after that the type of the
   * number that follows and the word of the event that takes it,
   * {@link STRETCH_END} or {@link LINE_END}.
   */
  readonly program: Int32Array<ArrayBuffer>;
  /** Words of the event that take the numbers inside. */
  readonly words: Uint8Array<ArrayBuffer>;
  /** Word of the event that takes the address after the stretch; -1 if this ends the line. */
  readonly word: number;
}

/** What a stretch has until it keeps something: most of a reader's never do. */
const NO_TEXT = new Float64Array(0);
const NO_NUMBERS = new Uint32Array(0);

/**
 * A piece of a line, as it was when it was read last.
 *
 * Invariant *kept*: the numbers are those that reading the kept text gives,
 * which depend on nothing but the text; {@link keep} changes both or neither.
 */
export class Stretch {
  readonly program: Int32Array<ArrayBuffer>;
  readonly word: number;
  readonly #words: Uint8Array<ArrayBuffer>;
  #numbers: Uint32Array<ArrayBuffer> = NO_NUMBERS;
  // The text: its length in bytes, its whole words of 64 bits, and the up to 7 bytes after them.
  #length = 0;
  #whole = 0;
  #mask1 = 0;
  #rest1 = -1;
  #mask2 = 0;
  #rest2 = 0;
  /** As floating-point numbers: no text is a NaN or a zero, so that equal ones have equal bits. */
  #text: Float64Array<ArrayBuffer> = NO_TEXT;

  constructor({ program, words, word }: StretchText) {
    this.program = program;
    this.word = word;
    this.#words = words;
  }

  /** If the bytes at `at` are the stretch again: stores its numbers, and returns where it ends; else -1. */
  again(view: DataView, at: number, words: Uint32Array): number {
    const text = this.#text;
    const whole = this.#whole;
    let position = at;
    for (let i = 0; i < whole; i++, position += 8) {
      if (view.getFloat64(position, true) !== text[i]) return -1;
    }
    if ((view.getInt32(position, true) & this.#mask1) !== this.#rest1) return -1;
    if ((view.getInt32(position + 4, true) & this.#mask2) !== this.#rest2) return -1;
    const taken = this.#words;
    const numbers = this.#numbers;
    for (let i = 0; i < taken.length; i++) {
      words[taken[i]!] = numbers[i * 2]!;
      words[taken[i]! + 1] = numbers[i * 2 + 1]!;
    }
    return at + this.#length;
  }

  /** Keeps the text in `[at, end)`, and its numbers. */
  keep(view: DataView, at: number, end: number, words: Uint32Array): void {
    const length = end - at;
    const whole = length >>> 3;
    if (whole > MAX_WORDS) return;
    if (this.#text === NO_TEXT) {
      this.#text = new Float64Array(MAX_WORDS);
      this.#numbers = new Uint32Array(this.#words.length * 2);
    }
    for (let i = 0; i < whole; i++) this.#text[i] = view.getFloat64(at + i * 8, true);
    this.#length = length;
    this.#whole = whole;
    const rest = length & 7;
    this.#mask1 = maskOf(Math.min(rest, 4));
    this.#mask2 = maskOf(Math.max(rest - 4, 0));
    this.#rest1 = view.getInt32(end - rest, true) & this.#mask1;
    this.#rest2 = view.getInt32(end - rest + 4, true) & this.#mask2;
    for (let i = 0; i < this.#words.length; i++) {
      const word = this.#words[i]!;
      this.#numbers[i * 2] = words[word]!;
      this.#numbers[i * 2 + 1] = words[word + 1]!;
    }
  }
}

/** Mask of the first bytes of a little-endian word of 32 bits. */
const maskOf = (bytes: number): number => (bytes === 4 ? -1 : (1 << (bytes * 8)) - 1);

/** The stretches of an event's lines, from its name on. */
export function compileText(schema: TraceSchema): StretchText[] {
  const stretches: StretchText[] = [];
  let program: number[] = [];
  let words: number[] = [];
  let text = schema.name;
  for (const { name, before, type, word } of schema.fields) {
    pushText(program, text + before);
    text = "";
    if (type === X64 && CHANGING.includes(name)) {
      stretches.push(stretchText([...program, STRETCH_END], words, word));
      program = [];
      words = [];
    } else {
      program.push(type, word);
      words.push(word);
    }
  }
  pushText(program, text + schema.after);
  stretches.push(stretchText([...program, LINE_END], words, -1));
  return stretches;
}

const stretchText = (program: readonly number[], words: readonly number[], word: number): StretchText => ({
  program: Int32Array.from(program),
  words: Uint8Array.from(words),
  word,
});

function pushText(program: number[], text: string): void {
  const words = text.length >>> 2;
  const rest = text.length & 3;
  const bytes = new Uint8Array((words + 1) * 4);
  bytes.set(encode(text));
  const view = new DataView(bytes.buffer);
  program.push(text.length, program.length + 2 + words);
  for (let i = 0; i <= words; i++) {
    if (i === words) program.push(2 ** (rest * 8) - 1);
    program.push(view.getInt32(i * 4, true));
  }
}

/** Matches lines. After every position asked for there must be a line end, and 64 bytes more. */
export class TextMatcher extends NumberReader {
  /**
   * Matches the line that begins at `at` and stores its numbers.
   *
   * @param view of `bytes`
   * @returns the position after the line end, or -1
   */
  match(
    stretches: readonly Stretch[],
    bytes: Uint8Array,
    view: DataView,
    at: number,
    words: Uint32Array,
  ): number {
    let position = at;
    for (let i = 0; ; i++) {
      const stretch = stretches[i]!;
      const end = stretch.again(view, position, words);
      position = end >= 0 ? end : this.#read(stretch, bytes, view, position, words);
      const { word } = stretch;
      if (position < 0 || word < 0) return position;
      position = this.hexInto(view, position, words, word);
      if (position < 0) return -1;
    }
  }

  /** Reads a stretch that is not the same again; returns where it ends, or -1. */
  #read(stretch: Stretch, bytes: Uint8Array, view: DataView, at: number, words: Uint32Array): number {
    const { program } = stretch;
    let position = at;
    for (let i = 0; ; i += 2) {
      const next = position + program[i]!;
      const end = program[i + 1]!;
      for (i += 2; i < end; i++, position += 4) {
        if (view.getInt32(position, true) !== program[i]) return -1;
      }
      if ((view.getInt32(position, true) & program[i]!) !== program[i + 1]) return -1;
      i += 2;
      const type = program[i]!;
      position =
        type < 0 ? (type === LINE_END ? endOfLine(bytes, next) : next) : this.#number(type, bytes, next);
      if (position < 0) return -1;
      if (type < 0) break;
      const word = program[i + 1]!;
      words[word] = this.hi;
      words[word + 1] = this.lo;
    }
    stretch.keep(view, at, position, words);
    return position;
  }

  #number(type: number, bytes: Uint8Array, at: number): number {
    if (type === X64) return this.hex(bytes, at);
    if (type === D64) return this.signed(64, bytes, at);
    if (type === D32) return this.signed(32, bytes, at);
    if (type === POINTER) return this.#pointer(bytes, at);
    const position = type === U32 ? this.decimal(bytes, at) : this.hex(bytes, at);
    return this.hi === 0 ? position : -1;
  }

  #pointer(bytes: Uint8Array, at: number): number {
    if (bytes[at] === ZERO) return bytes[at + 1] === LETTER_X ? this.hex(bytes, at + 2) : -1;
    if (!startsWith(bytes, at, NIL)) return -1;
    this.hi = 0;
    this.lo = 0;
    return at + NIL.length;
  }
}

/** The position after a line end, or -1. A line end of two bytes is what a log has that went through an editor. */
function endOfLine(bytes: Uint8Array, at: number): number {
  if (bytes[at] === NEWLINE) return at + 1;
  return bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? at + 2 : -1;
}
