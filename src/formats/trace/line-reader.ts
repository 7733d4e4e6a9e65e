const NEWLINE = 0x0a;

/** Bytes after the stretches that {@link LineReader} hands out which can be read, whatever they are. */
const SLACK = 64;

/**
 * Cuts a stream of bytes into whole lines. Chunks may end anywhere: the piece
 * of a line at the end of one is kept until its line end comes.
 *
 * A derived class gets stretches of whole lines, each with its line end, so
 * that it can scan for a byte without looking where the array ends; and after
 * the last one there are 64 bytes more, so that it can read words of several
 * bytes without looking, either. Lines are read where they are, but for those
 * at the very end of a chunk.
 */
export abstract class LineReader {
  /** Lines that were begun so far, which is the number of the current one. */
  line: number;
  /** Bytes of lines that are longer than this are never kept; they are counted and skipped. */
  readonly maxLine: number;
  #held: Uint8Array<ArrayBuffer>;
  #heldBytes: number;
  #skipping: boolean;

  constructor(maxLine: number) {
    this.line = 0;
    this.maxLine = maxLine;
    this.#held = new Uint8Array(4096);
    this.#heldBytes = 0;
    this.#skipping = false;
  }

  /** Reads more of the text. The bytes are not kept after the call. */
  push(data: Uint8Array): void {
    // Node's own Buffer is a class of its own: code that reads both kinds is slower.
    const chunk = new Uint8Array(data.buffer, data.byteOffset, data.length);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    let at = 0;
    if (end > 0 && (this.#heldBytes > 0 || this.#skipping)) at = this.#readHeld(chunk, 0);
    const inPlace = chunk.subarray(0, Math.max(chunk.length - SLACK, 0)).lastIndexOf(NEWLINE) + 1;
    if (inPlace > at) {
      this.readLines(chunk, at, inPlace);
      at = inPlace;
    }
    while (at < end) at = this.#readHeld(chunk, at);
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
  }

  /** Ends the text. What follows the last line end is torn: nothing says how much of it is missing. */
  end(): void {
    if (this.#heldBytes === 0 && !this.#skipping) return;
    this.line++;
    this.tornLine(this.#held, this.#heldBytes);
    this.#heldBytes = 0;
    this.#skipping = false;
  }

  /** Reads the whole lines in `[start, end)`; counts {@link line} up at each. */
  protected abstract readLines(bytes: Uint8Array, start: number, end: number): void;

  /** Takes note of a line of more than {@link maxLine} bytes. */
  protected abstract longLine(): void;

  /** Takes note of a last line without line end: its first `length` bytes. */
  protected abstract tornLine(bytes: Uint8Array, length: number): void;

  /** Reads what is held and the line that goes on at `start`; returns the position after its line end. */
  #readHeld(chunk: Uint8Array, start: number): number {
    const end = chunk.indexOf(NEWLINE, start) + 1;
    this.#hold(chunk, start, end);
    const bytes = this.#heldBytes;
    const skipped = this.#skipping;
    this.#heldBytes = 0;
    this.#skipping = false;
    if (skipped) {
      this.line++;
      this.longLine();
    } else this.readLines(this.#held, 0, bytes);
    return end;
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    if (this.#skipping) return;
    const bytes = this.#heldBytes + end - start;
    if (bytes > this.maxLine) {
      this.#skipping = true;
      this.#heldBytes = 0;
      return;
    }
    if (bytes + SLACK > this.#held.length) {
      const more = new Uint8Array(Math.max(bytes + SLACK, Math.min(this.maxLine, this.#held.length * 2)));
      more.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = more;
    }
    this.#held.set(chunk.subarray(start, end), this.#heldBytes);
    this.#heldBytes = bytes;
  }
}

/**
 * A line that should have been read and could not be.
 *
 * @public
 */
export interface DamagedLine {
  /** Counted from 1. */
  readonly line: number;
  /** Its first bytes, with a `?` for all that is not printable ASCII. */
  readonly text: string;
}

/** Damaged lines that are kept, and bytes that are kept of each. */
const MAX_DAMAGED = 10;
const MAX_TEXT = 200;

/** Keeps the first few damaged lines, so that a report can show them. */
export function keepDamaged(
  kept: DamagedLine[],
  line: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (kept.length >= MAX_DAMAGED) return;
  let text = "";
  for (let at = start; at < end && text.length < MAX_TEXT; at++) {
    const byte = bytes[at]!;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?";
  }
  kept.push({ line, text });
}
