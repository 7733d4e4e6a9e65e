import type { ByteFile } from "../../formats/migration/source.ts";

/** Bytes that are given at a time, at most: who reads gives way between two pieces, and looks through one for a line. */
const CHUNK = 2 ** 17;
/** Bytes that are fetched at a time of a file that has no stream. */
const FETCHED = 2 ** 19;

/** A file that says how far it was read; what is in a piece of its stream stays. */
export class CountedFile implements ByteFile {
  readonly size: number;
  readonly #file: ByteFile;
  /** Bytes before the last place that was read. */
  reached = 0;

  constructor(file: ByteFile) {
    this.#file = file;
    this.size = file.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#file.read(offset, length);
    this.reached = Math.max(this.reached, offset + bytes.length);
    return bytes;
  }

  /** All bytes in order. */
  async *stream(): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for await (const given of this.#file.stream?.() ?? this.#pieces()) {
      // A blob in memory can come in one piece.
      for (let at = 0; at < given.length; at += CHUNK) {
        const piece = given.subarray(at, at + CHUNK);
        offset += piece.length;
        this.reached = Math.max(this.reached, offset);
        yield piece;
      }
    }
  }

  /** Of a file that has no stream: the next bytes are fetched while those before are looked at. */
  async *#pieces(): AsyncGenerator<Uint8Array> {
    let next = this.#file.read(0, FETCHED);
    for (let offset = 0; offset < this.size; ) {
      const chunk = await next;
      if (chunk.length === 0) return;
      offset += chunk.length;
      next = this.#file.read(offset, FETCHED);
      yield chunk;
    }
  }
}
