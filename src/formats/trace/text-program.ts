import { NumberReader } from "./number-reader.ts";
import { D32, POINTER, type TraceSchema, U32, X32, X64 } from "./trace-schema.ts";
import { encode, startsWith } from "./words.ts";

/**
 * Matching of an event's text, a byte at a time.
 *
 * A schema becomes a program of bytes: one below 0x80 stands for itself, one
 * from 0x80 on is a number of the type `byte - 0x80`, and the byte behind it
 * is the word that takes the number. 0xff is the line end.
 *
 * @module
 */

const FIELD = 0x80;
const LINE_END = 0xff;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ZERO = 0x30;

const NIL = encode("(nil)");

/** The program for what stands behind an event's name. */
export function compileText(schema: TraceSchema): Uint8Array<ArrayBuffer> {
  const program: number[] = [];
  for (const { before, type, word } of schema.fields) program.push(...encode(before), FIELD + type, word);
  return Uint8Array.from([...program, ...encode(schema.after), LINE_END]);
}

/** Matches programs. `bytes` must hold a line end at or behind every position asked for. */
export class TextMatcher extends NumberReader {
  /**
   * Matches the text from `at` on and stores its numbers.
   *
   * @returns the position behind the line end, or -1
   */
  match(program: Uint8Array, bytes: Uint8Array, at: number, words: Uint32Array): number {
    let position = at;
    for (let i = 0; ; ) {
      let code = program[i++]!;
      for (; code < FIELD; code = program[i++]!) if (bytes[position++] !== code) return -1;
      if (code === LINE_END) return endOfLine(bytes, position);
      position =
        code === FIELD + X64 || code === FIELD + X32
          ? this.hex(bytes, position)
          : this.#other(code - FIELD, bytes, position);
      if (position < 0 || (code === FIELD + X32 && this.hi !== 0)) return -1;
      const word = program[i++]!;
      words[word] = this.hi;
      words[word + 1] = this.lo;
    }
  }

  #other(type: number, bytes: Uint8Array, at: number): number {
    if (type === POINTER) return this.#pointer(bytes, at);
    if (type === U32) {
      const position = this.decimal(bytes, at);
      return this.hi === 0 ? position : -1;
    }
    return this.signed(type === D32 ? 32 : 64, bytes, at);
  }

  #pointer(bytes: Uint8Array, at: number): number {
    if (bytes[at] === ZERO) return bytes[at + 1] === 0x78 ? this.hex(bytes, at + 2) : -1;
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
