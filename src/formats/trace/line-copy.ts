import { beforeClosing, dressAt, isBlank, plainByteAt } from "./shown-text.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;
const ESCAPE = 0x1b;

/** Bytes after a line that readers may look at. */
const SLACK = 64;

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
   * The line as it was before it was shown (see `isDressed` of shown-text.ts), with one blank for each run of them and none, nor
   * returns, at its end. It may be this line itself.
   */
  setPlain(bytes: Uint8Array, start: number, end: number): void {
    this.#makeRoom(end - start);
    const plain = this.bytes;
    let length = 0;
    for (let at = start; at < end; ) {
      const dress = dressAt(bytes, at, end);
      const byte = dress === 0 ? bytes[at]! : plainByteAt(bytes, at);
      const isEscape = dress > 0 && bytes[at] === ESCAPE;
      at += Math.max(dress, 1);
      if (!isEscape && (byte !== SPACE || plain[length - 1] !== SPACE)) plain[length++] = byte;
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
