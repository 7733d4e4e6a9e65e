import { keepAll, readAnywhere } from "../container/read-anywhere.ts";
import type { RandomBytes } from "../event-format/byte-reader.ts";
import {
  type ByteFile,
  type ByteStreamFactory,
  isFile,
  isOnce,
  type MigrationSource,
  openSource,
} from "../migration/source.ts";

/** Bytes of a stream that is opened again which are kept rather than read once for each place. */
const MAX_KEPT = 32 * 2 ** 20;
/** Streams that are open at a time, each at another place. */
const MAX_STREAMS = 256;

/**
 * Reads a source anywhere: a file as it is, a stream that can be opened again (a packed file) by as many streams as there
 * are places that are read on from, a pipe from memory.
 *
 * @param name of the input, for messages
 * @throws IommuError LIMIT_EXCEEDED for a pipe of more than 256 MiB
 */
export async function randomFile(source: MigrationSource, name: string): Promise<RandomFile> {
  if (isOnce(source) || isFile(source)) return closable(await readAnywhere(source, name));
  const kept = await keepAll(source(), MAX_KEPT);
  return kept === undefined ? new StreamsFile(source) : closable(kept);
}

const closable = (file: ByteFile): RandomFile => ({
  read: (offset, length) => file.read(offset, length),
  close: async () => {},
});

/** Bytes that can be read anywhere, and given back. */
export interface RandomFile extends RandomBytes {
  close(): Promise<void>;
}

/** Bytes before the last place that can be read again. */
const KEPT_BEHIND = 2 ** 18;

/** Reads a source on and on, a pipe too: of what lies before the last place only a little is kept. */
export class ForwardFile implements RandomFile {
  readonly #stream: AsyncIterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the first byte that is kept. */
  #base = 0;

  constructor(source: MigrationSource) {
    this.#stream = openSource(source)[Symbol.asyncIterator]();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    while (this.#base + this.#bytes.length < offset + length) {
      const next = await this.#stream.next();
      if (next.done === true) break;
      this.#add(next.value, offset);
    }
    const from = Math.max(0, offset - this.#base);
    return this.#bytes.subarray(from, from + length);
  }

  #add(chunk: Uint8Array, offset: number): void {
    const dropped = Math.min(this.#bytes.length, Math.max(0, offset - KEPT_BEHIND - this.#base));
    const kept = this.#bytes.length - dropped;
    const bytes = new Uint8Array(kept + chunk.length);
    bytes.set(this.#bytes.subarray(dropped));
    bytes.set(chunk, kept);
    this.#bytes = bytes;
    this.#base += dropped;
  }

  async close(): Promise<void> {
    await this.#stream.return?.();
  }
}

/** A stream, and the place up to which it was read. */
interface Place {
  readonly stream: AsyncIterator<Uint8Array>;
  offset: number;
  /** What of the last chunk was not asked for yet. */
  rest: Uint8Array;
}

/** Reads a stream anywhere by opening it again, and reading on up to the place. */
class StreamsFile implements RandomFile {
  readonly #open: ByteStreamFactory;
  /** The one that was used last stands at the end. */
  readonly #places: Place[] = [];

  constructor(open: ByteStreamFactory) {
    this.#open = open;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const place = await this.#placeBefore(offset);
    const bytes = new Uint8Array(length);
    let have = 0;
    while (have < length) {
      if (place.rest.length === 0) {
        const next = await place.stream.next();
        if (next.done === true) break;
        place.rest = next.value.slice();
      }
      const skipped = Math.min(place.rest.length, Math.max(0, offset - place.offset));
      place.rest = place.rest.subarray(skipped);
      place.offset += skipped;
      if (place.offset < offset) continue;
      const piece = place.rest.subarray(0, length - have);
      bytes.set(piece, have);
      have += piece.length;
      place.rest = place.rest.subarray(piece.length);
      place.offset += piece.length;
      offset += piece.length;
    }
    return bytes.subarray(0, have);
  }

  /** The stream that is nearest before a place. */
  async #placeBefore(offset: number): Promise<Place> {
    let best = -1;
    this.#places.forEach((place, i) => {
      if (place.offset <= offset && (best < 0 || place.offset > this.#places[best]!.offset)) best = i;
    });
    const place =
      best >= 0
        ? this.#places.splice(best, 1)[0]!
        : { stream: this.#open()[Symbol.asyncIterator](), offset: 0, rest: new Uint8Array(0) };
    this.#places.push(place);
    if (this.#places.length > MAX_STREAMS) await this.#places.shift()!.stream.return?.();
    return place;
  }

  async close(): Promise<void> {
    for (const { stream } of this.#places.splice(0)) await stream.return?.();
  }
}
