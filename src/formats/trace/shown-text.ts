/**
 * What happens to a line on its way to a reader: colours, other blanks, what a web page or another text puts around it.
 *
 * @module
 */

import { endOfEscape } from "./line-prefix.ts";
import { encode, startsWith } from "./words.ts";

const RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const ESCAPE = 0x1b;
const AMPERSAND = 0x26;
/** The first and the second byte of a blank at which no line breaks. */
const FIXED_BLANK = 0xc2;
export const FIXED_BLANK_END = 0xa0;

/** How a web page writes what it would take for its own. */
const ENTITIES = [
  ["&gt;", 0x3e],
  ["&#62;", 0x3e],
  ["&lt;", 0x3c],
  ["&#60;", 0x3c],
  ["&amp;", AMPERSAND],
  ["&#38;", AMPERSAND],
  ["&quot;", 0x22],
  ["&#34;", 0x22],
  ["&#39;", 0x27],
  ["&nbsp;", SPACE],
  ["&#160;", SPACE],
].map(([text, byte]) => ({ text: encode(text as string), byte: byte as number }));

/** Last bytes of what closes a line: `>`, quotes, a brace or comma behind one, `\\n`, `\\r`, `^M`, `$`, U+2028. */
const CLOSERS = Uint8Array.from(">\"',}nrM$\u00a8", (letter) => letter.charCodeAt(0));

/** May a byte stand at the end of a line without being a part of it? */
export const isBlank = (byte: number): boolean => byte === SPACE || byte === RETURN || byte === TAB;

/**
 * What closes a line that another text carries: tags of a web page, quotes of a table or list, marks of `cat -A`. Two lines
 * in one have letters or digits there.
 */
const CLOSING = /(?:\s*<\/?[a-z][^<>]*>|["']\}?,?|\\[nr]|\^M|\$|\u00e2\u0080\u00a8)+$/;
const LONGEST_CLOSING = 64;

/** Where the line ends that `[start, end)` is with what closes it. */
export function beforeClosing(bytes: Uint8Array, start: number, end: number): number {
  const from = Math.max(start, end - LONGEST_CLOSING);
  const closing = CLOSING.exec(String.fromCharCode(...bytes.subarray(from, end)));
  return closing === null ? end : from + closing.index;
}

/** May a byte be the last one of what closes a line? */
const mayClose = (byte: number): boolean => CLOSERS.includes(byte);

/**
 * Was a line changed by who showed it? With colours, with tabs or blanks that do not break in place of its blanks, or as a
 * web page writes `>`.
 */
export function isDressed(bytes: Uint8Array, start: number, end: number): boolean {
  if (end > start && mayClose(bytes[end - 1]!) && beforeClosing(bytes, start, end) < end) return true;
  for (let at = start; at < end; at++) if (dressAt(bytes, at, end) > 0) return true;
  return false;
}

/**
 * Were blanks put between all words, as who makes columns of them does? Where only some are apart, a digit may have been
 * lost between them.
 */
export function isSpread(bytes: Uint8Array, start: number, end: number): boolean {
  let gaps = 0;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== SPACE) continue;
    const first = at;
    while (at < end && bytes[at] === SPACE) at++;
    if (at < end && at - first === 1) return false;
    gaps++;
  }
  return gaps > 0;
}

/** Bytes at `at` that are not as they were; 0 if they are. */
export function dressAt(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at]!;
  if (byte === ESCAPE) return endOfEscape(bytes, at, end) - at;
  if (byte === TAB) return 1;
  if (byte === FIXED_BLANK) return bytes[at + 1] === FIXED_BLANK_END ? 2 : 0;
  return byte === AMPERSAND ? (entityAt(bytes, at)?.text.length ?? 0) : 0;
}

const entityAt = (bytes: Uint8Array, at: number): (typeof ENTITIES)[number] | undefined =>
  ENTITIES.find(({ text }) => startsWith(bytes, at, text));

/** The byte that what is not as it was at `at` stands for, if that is no escape sequence. */
export const plainByteAt = (bytes: Uint8Array, at: number): number => entityAt(bytes, at)?.byte ?? SPACE;
