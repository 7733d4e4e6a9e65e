import { TWO32 } from "../../base/u64.ts";
import { D32, POINTER, type TraceSchema, U32, X32, X64 } from "./trace-schema.ts";

/**
 * Matching of an event's text, a byte at a time.
 *
 * A schema becomes a program of bytes: one below 0x80 stands for itself, one
 * from 0x80 on is a number of the type `byte - 0x80`, and the byte behind it
 * is the word that takes the number. A program ends with a line end.
 *
 * @module
 */

const FIELD = 0x80;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const MINUS = 0x2d;
const ZERO = 0x30;

/** Digits of 2^64 - 1; more than these are not a number. */
const MAX_DECIMAL_DIGITS = 20;

/** Value of a hexadecimal digit as QEMU writes it, 255 for every other byte. */
const HEX_DIGIT = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) HEX_DIGIT["0123456789abcdef".charCodeAt(digit)] = digit;

const NIL = encode("(nil)");

/** The program for what stands behind an event's name. */
export function compileText(schema: TraceSchema): Uint8Array<ArrayBuffer> {
  const program: number[] = [];
  for (const { before, type, word } of schema.fields) program.push(...encode(before), FIELD + type, word);
  return Uint8Array.from([...program, ...encode(schema.after), NEWLINE]);
}

/** ASCII text as bytes. */
export function encode(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

/** A parser of numbers, with its last result. `bytes` must hold a line end at or behind every position asked for. */
export class TextMatcher {
  #hi = 0;
  #lo = 0;

  /**
   * Matches the text from `at` on and stores its numbers.
   *
   * @returns the position behind the line end, or -1
   */
  match(program: Uint8Array, bytes: Uint8Array, at: number, words: Uint32Array): number {
    let position = at;
    for (let i = 0; ; ) {
      const code = program[i++]!;
      if (code < FIELD) {
        if (bytes[position] !== code) return code === NEWLINE ? afterReturn(bytes, position) : -1;
        position++;
        if (code === NEWLINE) return position;
        continue;
      }
      position =
        code === FIELD + X64 || code === FIELD + X32
          ? this.#hex(bytes, position)
          : this.#other(code - FIELD, bytes, position);
      if (position < 0 || (code === FIELD + X32 && this.#hi !== 0)) return -1;
      const word = program[i++]!;
      words[word] = this.#hi;
      words[word + 1] = this.#lo;
    }
  }

  #other(type: number, bytes: Uint8Array, at: number): number {
    if (type === POINTER) return this.#pointer(bytes, at);
    if (type === U32) {
      const position = this.#decimal(bytes, at);
      return this.#hi === 0 ? position : -1;
    }
    return this.#signed(type, bytes, at);
  }

  #hex(bytes: Uint8Array, at: number): number {
    let position = at;
    let lo = 0;
    let digit = HEX_DIGIT[bytes[position]!]!;
    for (const end = at + 8; digit < 16 && position < end; digit = HEX_DIGIT[bytes[++position]!]!) {
      lo = (lo << 4) | digit;
    }
    let hi = 0;
    for (; digit < 16; digit = HEX_DIGIT[bytes[++position]!]!) {
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.#hi = hi >>> 0;
    this.#lo = lo >>> 0;
    return position > at && position <= at + 16 ? position : -1;
  }

  #decimal(bytes: Uint8Array, at: number): number {
    let position = at;
    let lo = 0;
    let hi = 0;
    let digit = bytes[position]! - ZERO;
    for (const end = at + 9; digit >= 0 && digit <= 9 && position < end; digit = bytes[++position]! - ZERO) {
      lo = lo * 10 + digit;
    }
    for (; digit >= 0 && digit <= 9; digit = bytes[++position]! - ZERO) {
      lo = lo * 10 + digit;
      const carry = Math.floor(lo / TWO32);
      lo -= carry * TWO32;
      hi = hi * 10 + carry;
    }
    this.#hi = hi;
    this.#lo = lo;
    return position > at && position <= at + MAX_DECIMAL_DIGITS && hi < TWO32 ? position : -1;
  }

  #signed(type: number, bytes: Uint8Array, at: number): number {
    const negative = bytes[at] === MINUS;
    const position = this.#decimal(bytes, negative ? at + 1 : at);
    const magnitude = type === D32 ? this.#hi * TWO32 + this.#lo : this.#hi;
    const beyond = magnitude > 0x7fff_ffff;
    if (!negative) return beyond ? -1 : position;
    const smallest = magnitude === 0x8000_0000 && (type === D32 || this.#lo === 0);
    if (beyond && !smallest) return -1;
    const borrow = this.#lo === 0 ? 0 : 1;
    this.#lo = -this.#lo >>> 0;
    this.#hi = -(this.#hi + borrow) >>> 0;
    return position;
  }

  #pointer(bytes: Uint8Array, at: number): number {
    if (bytes[at] === ZERO) return bytes[at + 1] === 0x78 ? this.#hex(bytes, at + 2) : -1;
    for (let i = 0; i < NIL.length; i++) if (bytes[at + i] !== NIL[i]) return -1;
    this.#hi = 0;
    this.#lo = 0;
    return at + NIL.length;
  }
}

/** A line end of two bytes is what a log has that went through a text editor. */
function afterReturn(bytes: Uint8Array, at: number): number {
  return bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? at + 2 : -1;
}
