import { NumberReader } from "./number-reader.ts";
import { D32, D64, POINTER, type TraceSchema, U32, X64 } from "./trace-schema.ts";
import { encode, startsWith } from "./words.ts";

/**
 * Matching of an event's line, four bytes of its text at a time.
 *
 * No text has a line end but at its end, so that matching stops at one: what
 * lies after it may be read, but is never taken for the text.
 *
 * @module
 */

const LINE_END = -1;
// V8 folds a constant of the module itself, but loads an imported one each time.
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ZERO = 0x30;
const LETTER_X = 0x78;

const NIL = encode("(nil)");

/**
 * What a schema says of a line, from the event's name on. For each text: its length, where its whole words end in the program,
 * these, mask and value of the bytes that are left; after that the type of the number that follows and the word of the
 * event that takes it, or {@link LINE_END}.
 */
export type TextProgram = Int32Array<ArrayBuffer>;

/** The program of an event's lines. */
export function compileText(schema: TraceSchema): TextProgram {
  const program: number[] = [];
  let text = schema.name;
  for (const { before, type, word } of schema.fields) {
    pushText(program, text + before);
    text = "";
    program.push(type, word);
  }
  pushText(program, text + schema.after);
  program.push(LINE_END);
  return Int32Array.from(program);
}

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
  /** Where each number of the line begins that was matched last, and where it ends. */
  readonly places: number[] = [];

  /**
   * Matches the line that begins at `at` and stores its numbers.
   *
   * @param view of `bytes`
   * @returns the position after the line end, or -1
   */
  match(program: TextProgram, bytes: Uint8Array, view: DataView, at: number, words: Uint32Array): number {
    const { places } = this;
    let position = at;
    for (let i = 0, number = 0; ; i += 2) {
      const next = position + program[i]!;
      const end = program[i + 1]!;
      for (i += 2; i < end; i++, position += 4) {
        if (view.getInt32(position, true) !== program[i]) return -1;
      }
      if ((view.getInt32(position, true) & program[i]!) !== program[i + 1]) return -1;
      i += 2;
      const type = program[i]!;
      if (type === LINE_END) return endOfLine(bytes, next);
      position = this.#number(type, bytes, next);
      if (position < 0) return -1;
      places[number++] = next;
      places[number++] = position;
      const word = program[i + 1]!;
      words[word] = this.hi;
      words[word + 1] = this.lo;
    }
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
