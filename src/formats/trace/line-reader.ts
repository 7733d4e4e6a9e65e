const NEWLINE = 0x0a;

/** Bytes after the stretches that {@link LineReader} hands out which can be read, whatever they are. */
const SLACK = 64;

/** Bytes that are read at a time: few enough that they stay in the processor's cache until all of them were looked at. */
const PIECE = 2 ** 15;

/**
 * Cuts a stream of bytes into whole lines. Chunks may end anywhere: the piece
 * of a line at the end of one is kept until its line end comes.
 *
 * A derived class gets stretches of whole lines, each with its line end, so
 * that it can scan for a byte without looking where the array ends; and after
 * the last one there are 64 bytes more, so that it can read words of several
 * bytes without looking, either. All is copied into one block, which takes less
 * time than to wait for the bytes of a large chunk one after the other.
 */
export abstract class LineReader {
  /** Lines that were begun so far, which is the number of the current one. */
  line: number;
  /** Bytes of lines that are longer than this are never kept; they are counted and skipped. */
  readonly maxLine: number;
  /** It begins with the piece of a line that goes on in the next chunk. */
  #block: Uint8Array<ArrayBuffer>;
  #heldBytes: number;
  #skipping: boolean;

  constructor(maxLine: number) {
    this.line = 0;
    this.maxLine = maxLine;
    this.#block = new Uint8Array(4096);
    this.#heldBytes = 0;
    this.#skipping = false;
  }

  /** Reads more of the text. The bytes are not kept after the call. */
  push(data: Uint8Array): void {
    // Node's own Buffer is a class of its own: code that reads both kinds is slower.
    this.pushPart(new Uint8Array(data.buffer, data.byteOffset, data.length), 0, data.length);
  }

  /** Ends the text. What follows the last line end is torn: nothing says how much of it is missing. */
  end(): void {
    if (this.#heldBytes === 0 && !this.#skipping) return;
    this.line++;
    this.tornLine(this.#block, this.#heldBytes);
    this.#heldBytes = 0;
    this.#skipping = false;
  }

  /** Reads what is in `[start, end)` of a chunk. */
  protected pushPart(chunk: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#skipping) {
        const newline = chunk.indexOf(NEWLINE, at);
        if (newline < 0 || newline >= end) return;
        this.#skipping = false;
        this.line++;
        this.longLine();
        at = newline + 1;
      } else {
        const piece = chunk.subarray(at, Math.min(at + PIECE, end));
        this.#readPiece(piece);
        at += piece.length;
      }
    }
  }

  /** Was all before read to the end of a line? */
  protected get isBetweenLines(): boolean {
    return this.#heldBytes === 0 && !this.#skipping;
  }

  /** Where to read so many bytes, if a derived class can read them better there. */
  protected blockFor(_bytes: number): Uint8Array<ArrayBuffer> | undefined {
    return undefined;
  }

  /** Reads the whole lines in `[start, end)`; counts {@link line} up at each. */
  protected abstract readLines(bytes: Uint8Array, start: number, end: number): void;

  /** Takes note of a line of more than {@link maxLine} bytes. */
  protected abstract longLine(): void;

  /** Takes note of a last line without line end: its first `length` bytes. */
  protected abstract tornLine(bytes: Uint8Array, length: number): void;

  /** Reads the lines that end in a piece, with what is held of the first one. */
  #readPiece(piece: Uint8Array): void {
    const held = this.#heldBytes;
    const filled = held + piece.length;
    this.#makeRoom(filled + SLACK);
    const block = this.#block;
    block.set(piece, held);
    const newline = piece.lastIndexOf(NEWLINE);
    const end = newline < 0 ? 0 : held + newline + 1;
    // A line that is too long, but ends in this piece, is one that the derived class passes over.
    if (end > 0) this.readLines(block, 0, end);
    const rest = filled - end;
    this.#skipping = rest > this.maxLine;
    this.#heldBytes = this.#skipping ? 0 : rest;
    if (end > 0) block.copyWithin(0, end, end + this.#heldBytes);
  }

  #makeRoom(bytes: number): void {
    const old = this.#block;
    const block = this.blockFor(bytes) ?? (bytes <= old.length ? old : makeBlock(bytes, old.length));
    if (block === old) return;
    block.set(old.subarray(0, this.#heldBytes));
    this.#block = block;
  }
}

const makeBlock = (bytes: number, last: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Math.max(bytes, last * 2));

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
