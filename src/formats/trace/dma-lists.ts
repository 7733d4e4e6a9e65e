import type { HalvesList } from "./dma-event.ts";
import { hexDigit, NumberReader } from "./number-reader.ts";
import { encode, startsWith } from "./words.ts";

const SPACE = 0x20;
const COMMA = 0x2c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const ARRAY = encode("ARRAY[");

/** Reads lists of numbers in the forms that the kernel and its tools have for them. */
export class DmaListReader {
  readonly #numbers = new NumberReader();

  /**
   * `{0x1000,0x2000}`, `ARRAY[00, 10, 00, 00]` or `00,10,00,00`; bytes come lowest first.
   *
   * @param width bytes of a value
   * @returns the end of the list, or -1
   */
  read(list: HalvesList, width: number, bytes: Uint8Array, at: number): number {
    list.length = 0;
    if (bytes[at] === OPEN_BRACE) return this.#bracedList(list, bytes, at + 1);
    const array = startsWith(bytes, at, ARRAY);
    // A terminal has broken the line before its list.
    if (bytes[at]! < SPACE) return -1;
    const end = byteList(list, width, bytes, array ? at + ARRAY.length : at);
    if (!array || end < 0) return end;
    return bytes[end] === CLOSE_BRACKET ? end + 1 : -1;
  }

  #bracedList(list: HalvesList, bytes: Uint8Array, start: number): number {
    if (bytes[start] === CLOSE_BRACE) return start + 1;
    for (let at = start; ; at++) {
      at = this.#numbers.address(bytes, at);
      if (at < 0) return -1;
      list.push(this.#numbers.hi, this.#numbers.lo);
      if (bytes[at] === CLOSE_BRACE) return at + 1;
      if (bytes[at] !== COMMA) return -1;
    }
  }
}

/** Reads two digits a byte, with a comma and perhaps blanks between them; returns the end, or -1. */
function byteList(list: HalvesList, width: number, bytes: Uint8Array, start: number): number {
  let at = start;
  let hi = 0;
  let lo = 0;
  let count = 0;
  while (hexDigit(bytes[at]!) < 16) {
    const low = hexDigit(bytes[at + 1]!);
    if (low > 15) return -1;
    const value = hexDigit(bytes[at]!) * 16 + low;
    if (count < 4) lo |= value << (count * 8);
    else hi |= value << ((count - 4) * 8);
    if (++count === width) {
      list.push(hi, lo);
      hi = 0;
      lo = 0;
      count = 0;
    }
    at += 2;
    if (bytes[at] !== COMMA) break;
    do at++;
    while (bytes[at] === SPACE);
  }
  return count === 0 ? at : -1;
}
