import { NumberReader } from "./number-reader.ts";
import { D64, POINTER, type TraceSchema, U32, X32, X64 } from "./trace-schema.ts";
import { encode, startsWith } from "./words.ts";

/**
 * Matching of an event's line, four bytes at a time.
 *
 * A schema becomes a program of 32-bit words. For each stretch of text that
 * does not vary it holds its length, where its whole words end in the program,
 * these, then mask and value of the bytes that are left; behind that the type
 * of the number that follows and the word of the event that takes it, or
 * {@link LINE_END}.
 *
 * No text has a line end in it, so that matching stops at one: what lies
 * behind it may be read, but is never taken for the text.
 *
 * @module
 */

const LINE_END = -1;
// V8 folds a constant of the module itself, but loads an imported one each time.
const HEX = X64;
const SIGNED = D64;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ZERO = 0x30;
const LETTER_X = 0x78;

const NIL = encode("(nil)");

/** The program for the lines of an event, from its name on. */
export function compileText(schema: TraceSchema): Int32Array<ArrayBuffer> {
  const program: number[] = [];
  let text = schema.name;
  for (const { before, type, word } of schema.fields) {
    pushText(program, text + before);
    program.push(type, word);
    text = "";
  }
  pushText(program, text + schema.after);
  return Int32Array.from([...program, LINE_END]);
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

/** Matches programs. Behind every position asked for there must be a line end, and 64 bytes more. */
export class TextMatcher extends NumberReader {
  /**
   * Matches the line that begins at `at` and stores its numbers.
   *
   * @param view of `bytes`
   * @returns the position behind the line end, or -1
   */
  match(program: Int32Array, bytes: Uint8Array, view: DataView, at: number, words: Uint32Array): number {
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
      if (type === LINE_END) return endOfLine(bytes, next);
      position =
        type === HEX
          ? this.hex(bytes, next)
          : type === SIGNED
            ? this.signed(64, bytes, next)
            : this.#other(type, bytes, next);
      if (position < 0) return -1;
      const word = program[i + 1]!;
      words[word] = this.hi;
      words[word + 1] = this.lo;
    }
  }

  #other(type: number, bytes: Uint8Array, at: number): number {
    if (type === POINTER) return this.#pointer(bytes, at);
    if (type === U32 || type === X32) {
      const position = type === U32 ? this.decimal(bytes, at) : this.hex(bytes, at);
      return this.hi === 0 ? position : -1;
    }
    return this.signed(32, bytes, at);
  }

  #pointer(bytes: Uint8Array, at: number): number {
    if (bytes[at] === ZERO) return bytes[at + 1] === LETTER_X ? this.hex(bytes, at + 2) : -1;
    if (!startsWith(bytes, at, NIL)) return -1;
    this.hi = 0;
    this.lo = 0;
    return at + NIL.length;
  }
}

/** The position behind a line end, or -1. A line end of two bytes is what a log has that went through an editor. */
function endOfLine(bytes: Uint8Array, at: number): number {
  if (bytes[at] === NEWLINE) return at + 1;
  return bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? at + 2 : -1;
}
