import type { ByteFile } from "../../formats/migration/source.ts";

/** Bytes that are read at a time. */
const CHUNK = 2 ** 19;

/** A file that says how far it was read; each of its pieces has a buffer of its own. */
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

  /** All bytes in order; the next ones are fetched while those before are looked at. */
  async *stream(): AsyncGenerator<Uint8Array> {
    let next = this.read(0, CHUNK);
    for (let offset = 0; offset < this.size; ) {
      const chunk = await next;
      if (chunk.length === 0) return;
      offset += chunk.length;
      next = this.read(offset, CHUNK);
      yield chunk;
    }
  }
}
