import { LineCopy } from "./line-copy.ts";
import { isBlank } from "./shown-text.ts";

const SPACE = 0x20;
const DASH = 0x2d;
const GREATER = 0x3e;

/** Lines that one event may be broken into. */
const MAX_LINES = 64;

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
