import { endOfEscape } from "./line-prefix.ts";
import { encode, startsWith } from "./words.ts";

const NEWLINE = 0x0a;
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
  ["&lt;", 0x3c],
  ["&amp;", AMPERSAND],
  ["&quot;", 0x22],
].map(([text, byte]) => ({ text: encode(text as string), byte: byte as number }));

/** Bytes after a line that readers may look at. */
const SLACK = 64;
/** Lines that one event may be broken into. */
const MAX_LINES = 16;

/** May a byte stand at the end of a line without being a part of it? */
export const isBlank = (byte: number): boolean => byte === SPACE || byte === RETURN || byte === TAB;

/**
 * Was a line changed by who showed it? With colours, with tabs or blanks that do not break in place of its blanks, or as a
 * web page writes `>`.
 */
export function isDressed(bytes: Uint8Array, start: number, end: number): boolean {
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
    while (length > 0 && isBlank(plain[length - 1]!)) length--;
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
    this.#byTerminal.add(bytes, start, withBlanks(bytes, end));
    const mailed = this.#byMailer;
    while (mailed.bytes[mailed.length - 1] === SPACE) mailed.length--;
    mailed.bytes[mailed.length++] = SPACE;
    mailed.add(bytes, from, end);
    return true;
  }

  close(): void {
    this.line = 0;
  }
}

/** The end of a line with the blanks that were cut off there. */
function withBlanks(bytes: Uint8Array, end: number): number {
  let at = end;
  while (bytes[at] === SPACE) at++;
  return at;
}
