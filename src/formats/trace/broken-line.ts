import { endOfEscape } from "./line-prefix.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const ESCAPE = 0x1b;

/** Bytes after a line that readers may look at. */
const SLACK = 64;
/** Lines that one event may be broken into. */
const MAX_LINES = 16;

/** May a byte stand at the end of a line without being a part of it? */
export const isBlank = (byte: number): boolean => byte === SPACE || byte === RETURN || byte === TAB;

/** A line of its own, with a line end and what readers may look at after it. */
export class LineCopy {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  length = 0;

  /** Appends bytes. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const length = this.length + end - start;
    if (length + SLACK > this.bytes.length) {
      const more = new Uint8Array(length * 2 + SLACK);
      more.set(this.bytes.subarray(0, this.length));
      this.bytes = more;
    }
    this.bytes.set(bytes.subarray(start, end), this.length);
    this.length = length;
    this.bytes.fill(NEWLINE, length, length + SLACK);
  }

  /** The line without escape sequences, and without blanks and returns at its end. */
  setPlain(bytes: Uint8Array, start: number, end: number): void {
    this.length = 0;
    for (let at = start; at < end; ) {
      let next = at;
      while (next < end && bytes[next] !== ESCAPE) next++;
      this.add(bytes, at, next);
      at = next < end ? endOfEscape(bytes, next, end) : end;
    }
    let length = this.length;
    while (length > 0 && isBlank(this.bytes[length - 1]!)) length--;
    this.bytes.fill(NEWLINE, length, this.length);
    this.length = length;
  }
}

/**
 * A line that names an event and does not read as one. Mailers break lines at
 * blanks: it may go on in the lines after it.
 */
export class BrokenLine extends LineCopy {
  /** Number of its first line; 0 if there is none. */
  line = 0;
  /** Bytes of its first line. */
  first = 0;
  #lines = 0;

  /** Keeps a line; that before must have been closed. */
  open(line: number, bytes: Uint8Array, start: number, end: number): void {
    this.line = line;
    this.length = 0;
    this.add(bytes, start, end);
    this.first = this.length;
    this.#lines = 1;
  }

  /**
   * Appends the line after it.
   *
   * @returns false if it has too many of them
   */
  goOn(bytes: Uint8Array, start: number, end: number): boolean {
    if (++this.#lines > MAX_LINES) return false;
    while (this.bytes[this.length - 1] === SPACE) this.length--;
    this.bytes[this.length++] = SPACE;
    this.add(bytes, start, end);
    return true;
  }

  close(): void {
    this.line = 0;
  }
}
