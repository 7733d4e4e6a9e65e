import { TWO32 } from "../../base/u64.ts";

const LETTER_X = 0x78;
const MINUS = 0x2d;
const SLASH = 0x2f;
const ZERO = 0x30;

/** Digits of 2^64 - 1; more than these are not a number. */
const MAX_DECIMAL_DIGITS = 20;
const MAX_HEX_DIGITS = 16;

/** Value of a hexadecimal digit in lower case, as QEMU and Linux write them; 255 for every other byte. */
const HEX_DIGIT = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) HEX_DIGIT["0123456789abcdef".charCodeAt(digit)] = digit;

/** Value of a lower-case hexadecimal digit, 255 for another byte. */
export const hexDigit = (byte: number): number => HEX_DIGIT[byte]!;

/**
 * Reads numbers of 64 bits from text. Each method returns the position after
 * the number, or -1 if there is none or it is too large. `bytes` must hold
 * something that is no digit, such as a line end, after every position asked for.
 */
export class NumberReader {
  /** The number read last: its high half, */
  hi = 0;
  /** and its low half. */
  lo = 0;

  /** 1 to 16 hexadecimal digits. */
  hex(bytes: Uint8Array, at: number): number {
    let position = at;
    let hi = 0;
    let lo = 0;
    let digit = HEX_DIGIT[bytes[position]!]!;
    for (; digit < 16; digit = HEX_DIGIT[bytes[++position]!]!) {
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.hi = hi >>> 0;
    this.lo = lo >>> 0;
    return position > at && position <= at + MAX_HEX_DIGITS ? position : -1;
  }

  /** Decimal digits. */
  decimal(bytes: Uint8Array, at: number): number {
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
    this.hi = hi;
    this.lo = lo;
    return position > at && position <= at + MAX_DECIMAL_DIGITS && hi < TWO32 ? position : -1;
  }

  /** Hexadecimal digits, with or without `0x` before them. */
  address(bytes: Uint8Array, at: number): number {
    const prefix = bytes[at] === ZERO && bytes[at + 1] === LETTER_X ? 2 : 0;
    return this.hex(bytes, at + prefix);
  }

  /** `1536` or `0x600`. */
  number(bytes: Uint8Array, at: number): number {
    const isHex = bytes[at] === ZERO && bytes[at + 1] === LETTER_X;
    return isHex ? this.hex(bytes, at + 2) : this.decimal(bytes, at);
  }

  /** `128/200`: so many of a total; or the total alone. */
  total(bytes: Uint8Array, at: number): number {
    const end = this.number(bytes, at);
    return end >= 0 && bytes[end] === SLASH ? this.number(bytes, end + 1) : end;
  }

  /** Decimal digits of a signed number of 32 or 64 bits, extended to 64. Nobody writes -0. */
  signed(bits: number, bytes: Uint8Array, at: number): number {
    const negative = bytes[at] === MINUS;
    const position = this.decimal(bytes, negative ? at + 1 : at);
    const magnitude = bits === 32 ? this.hi * TWO32 + this.lo : this.hi;
    const beyond = magnitude > 0x7fff_ffff;
    if (!negative) return beyond ? -1 : position;
    const smallest = magnitude === 0x8000_0000 && (bits === 32 || this.lo === 0);
    if ((beyond && !smallest) || (this.hi | this.lo) === 0) return -1;
    const borrow = this.lo === 0 ? 0 : 1;
    this.lo = -this.lo >>> 0;
    this.hi = -(this.hi + borrow) >>> 0;
    return position;
  }
}
