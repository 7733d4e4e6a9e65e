import { endOfEscape } from "./line-prefix.ts";
import { encode, startsWith } from "./words.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const DASH = 0x2d;
const GREATER = 0x3e;
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

/** Bytes after a line that readers may look at. */
const SLACK = 64;
/** Lines that one event may be broken into. */
const MAX_LINES = 16;

/** May a byte stand at the end of a line without being a part of it? */
export const isBlank = (byte: number): boolean => byte === SPACE || byte === RETURN || byte === TAB;

/**
 * What closes a line that another text carries: tags of a web page, quotes of a table or list, marks of `cat -A`. Two lines
 * in one have letters or digits there.
 */
const CLOSING = /(?:\s*<\/?[a-z][^<>]*>|["']\}?,?|\\[nr]|\^M|\$|\u00e2\u0080\u00a8)+$/;
const LONGEST_CLOSING = 64;

/** Where the line ends that `[start, end)` is with what closes it. */
function beforeClosing(bytes: Uint8Array, start: number, end: number): number {
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
function dressAt(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at]!;
  if (byte === ESCAPE) return endOfEscape(bytes, at, end) - at;
  if (byte === TAB) return 1;
  if (byte === FIXED_BLANK) return bytes[at + 1] === FIXED_BLANK_END ? 2 : 0;
  return byte === AMPERSAND ? (entityAt(bytes, at)?.text.length ?? 0) : 0;
}

const entityAt = (bytes: Uint8Array, at: number): (typeof ENTITIES)[number] | undefined =>
  ENTITIES.find(({ text }) => startsWith(bytes, at, text));

/** A line of its own, with a line end and what readers may look at after it. */
export class LineCopy {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  length = 0;

  /** Appends bytes. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const length = this.length + end - start;
    this.#makeRoom(length);
    this.bytes.set(bytes.subarray(start, end), this.length);
    this.#end(length);
  }

  /** The length without the blanks at the end. */
  #withoutBlanks(end: number): number {
    let length = end;
    while (length > 0 && isBlank(this.bytes[length - 1]!)) length--;
    return length;
  }

  /**
   * The line as it was before it was shown (see {@link isDressed}), with one blank for each run of them and none, nor
   * returns, at its end. It may be this line itself.
   */
  setPlain(bytes: Uint8Array, start: number, end: number): void {
    this.#makeRoom(end - start);
    const plain = this.bytes;
    let length = 0;
    for (let at = start; at < end; ) {
      const dress = dressAt(bytes, at, end);
      const byte = bytes[at]!;
      const plainByte = dress === 0 || byte === ESCAPE ? byte : (entityAt(bytes, at)?.byte ?? SPACE);
      at += Math.max(dress, 1);
      const isNone = dress > 0 && byte === ESCAPE;
      if (!isNone && (plainByte !== SPACE || plain[length - 1] !== SPACE)) plain[length++] = plainByte;
    }
    length = this.#withoutBlanks(length);
    length = this.#withoutBlanks(beforeClosing(plain, 0, length));
    this.#end(length);
  }

  #makeRoom(length: number): void {
    if (length + SLACK <= this.bytes.length) return;
    const more = new Uint8Array(length * 2 + SLACK);
    more.set(this.bytes.subarray(0, this.length));
    this.bytes = more;
  }

  #end(length: number): void {
    this.length = length;
    this.bytes.fill(NEWLINE, length, length + SLACK);
  }
}

/**
 * A line that names an event and does not read as one: it may go on in the lines after it. Mailers break lines at blanks,
 * of which none stays; terminals break them anywhere, and leave out nothing.
 */
export class BrokenLine {
  /** Number of its first line; 0 if there is none. */
  line = 0;
  /** Bytes of its first line. */
  first = 0;
  readonly #byTerminal = new LineCopy();
  readonly #byMailer = new LineCopy();
  /** What the lines so far may have been. The first is tried first: of a broken number the other one makes two words. */
  readonly whole: readonly LineCopy[] = [this.#byTerminal, this.#byMailer];
  #lines = 0;

  /** Keeps a line; that before must have been closed. */
  open(line: number, bytes: Uint8Array, start: number, end: number): void {
    this.line = line;
    for (const copy of this.whole) copy.length = 0;
    this.#byTerminal.add(bytes, start, withBlanks(bytes, end));
    this.#byMailer.add(bytes, start, end);
    this.first = end - start;
    this.#lines = 1;
  }

  /**
   * Appends the line after it.
   *
   * @param from after what a logger put before that line
   * @returns false if it has too many of them
   */
  goOn(bytes: Uint8Array, start: number, from: number, end: number): boolean {
    if (++this.#lines > MAX_LINES) return false;
    this.#byTerminal.add(bytes, this.#goesOnAt(bytes, start, from), withBlanks(bytes, end));
    const mailed = this.#byMailer;
    while (mailed.bytes[mailed.length - 1] === SPACE) mailed.length--;
    mailed.bytes[mailed.length++] = SPACE;
    mailed.add(bytes, from, end);
    return true;
  }

  close(): void {
    this.line = 0;
  }

  /**
   * Where a line that a terminal broke goes on: with its blanks, but after what a logger or a mail put before it. A `>` is
   * a part of the text where that has an arrow, or no blank after it.
   */
  #goesOnAt(bytes: Uint8Array, start: number, from: number): number {
    const { bytes: text, length } = this.#byTerminal;
    const isQuote = bytes[start] !== GREATER || isBlank(bytes[start + 1]!) || bytes[start + 1] === GREATER;
    if (!isQuote || (bytes[start] === GREATER && text[length - 1] === DASH)) return start;
    for (let at = start; at < from; at++) if (!isBlank(bytes[at]!)) return from;
    return start;
  }
}

/** The end of a line with the blanks that were cut off there. */
function withBlanks(bytes: Uint8Array, end: number): number {
  let at = end;
  while (bytes[at] === SPACE) at++;
  return at;
}
