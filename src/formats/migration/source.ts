/**
 * Where the bytes of a migration stream come from.
 *
 * A stream ends with a description of its sections, without which most of them
 * have no known length. What a source can do decides how that is solved:
 *
 * - a {@link ByteFile} is asked for its end first, then read once, without what nobody wants;
 * - a {@link ByteStreamFactory} (a compressed file) is read twice, the first
 *   time only to see its end;
 * - a {@link ByteStream} (a pipe) is read once; sections of unknown length are
 *   searched for their footer, and the description, when it comes, must agree.
 *
 * A chunk belongs to the source: it may be reused as soon as the next one is
 * asked for.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";

/**
 * Bytes that can be read once, in order.
 *
 * @public
 */
export type ByteStream = AsyncIterable<Uint8Array>;

/**
 * Bytes that can be read again from their beginning, as often as needed.
 *
 * @public
 */
export type ByteStreamFactory = () => ByteStream;

/**
 * Bytes that can be read anywhere.
 *
 * @public
 */
export interface ByteFile {
  /** Number of bytes. */
  readonly size: number;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. The buffer may be reused by the next call. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** All bytes in order, for who reads a trace of it; by default it is read piece by piece. */
  stream?(): ByteStream;
}

/**
 * Any of them.
 *
 * @public
 */
export type MigrationSource = ByteStream | ByteStreamFactory | ByteFile;

/** Bytes that are read from a {@link ByteFile} at a time: few enough to stay in the processor's cache. */
const FILE_CHUNK = 512 * 1024;

/** Does the source give its bytes only once? */
export const isOnce = (source: MigrationSource): source is ByteStream => Symbol.asyncIterator in source;

/** Can the source be read anywhere? (Having `read` does not show it: Node's streams have it, too.) */
export const isFile = (source: MigrationSource): source is ByteFile =>
  typeof source !== "function" && !isOnce(source);

/** Bytes of a file; 0 of anything else. */
export const sizeOf = (source: MigrationSource): number => (isFile(source) ? source.size : 0);

/** The bytes of a source, in order. */
export function openSource(source: MigrationSource): ByteStream {
  if (typeof source === "function") return source();
  return isFile(source) ? fileChunks(source) : source;
}

/** The bytes of a source from an offset on. */
export function sourceFrom(source: MigrationSource, offset: number): MigrationSource {
  if (offset === 0) return source;
  if (isOnce(source)) return chunksFrom(source, offset);
  if (!isFile(source)) return () => chunksFrom(source(), offset);
  const size = Math.max(0, source.size - offset);
  return { size, read: (at, length) => source.read(offset + at, length) };
}

async function* chunksFrom(stream: ByteStream, offset: number): ByteStream {
  const supply = supplyOf(stream, offset);
  try {
    for (let chunk = await supply.next(); chunk !== undefined; chunk = await supply.next()) yield chunk;
  } finally {
    await supply.close();
  }
}

/**
 * Bytes in order, of which some are passed over unread where that is possible.
 */
export interface ByteSupply {
  /** The next bytes; undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Passes over up to `count` bytes without reading them; returns how many. */
  pass(count: number): number;
  /** Gives the source back, also before its end. */
  close(): Promise<void>;
}

/** The bytes of a source from an offset on. */
export function supplyOf(source: MigrationSource, offset = 0): ByteSupply {
  return isFile(source) ? new FileSupply(source, offset) : new StreamSupply(openSource(source), offset);
}

class FileSupply implements ByteSupply {
  readonly #file: ByteFile;
  #offset: number;

  constructor(file: ByteFile, offset: number) {
    this.#file = file;
    this.#offset = offset;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#offset >= this.#file.size) return undefined;
    const chunk = await this.#file.read(this.#offset, FILE_CHUNK);
    this.#offset += chunk.length;
    return chunk.length === 0 ? undefined : chunk;
  }

  pass(count: number): number {
    const passed = Math.max(0, Math.min(count, this.#file.size - this.#offset));
    this.#offset += passed;
    return passed;
  }

  async close(): Promise<void> {}
}

class StreamSupply implements ByteSupply {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Bytes that are still to be left out. */
  #left: number;

  constructor(stream: ByteStream, offset: number) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#left = offset;
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      const skipped = Math.min(this.#left, next.value.length);
      this.#left -= skipped;
      if (skipped < next.value.length) return next.value.subarray(skipped);
    }
  }

  pass(): number {
    return 0;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

async function* fileChunks(file: ByteFile): ByteStream {
  for (let offset = 0; offset < file.size; ) {
    const chunk = await file.read(offset, FILE_CHUNK);
    if (chunk.length === 0) return;
    offset += chunk.length;
    yield chunk;
  }
}

/** The last `limit` bytes of a source (all of a shorter one) and the number of bytes before them. */
export interface Tail {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Why a packed source ends before its end, if it does. */
  readonly early?: IommuError;
}

/**
 * Reads the end of a source that can be read more than once.
 *
 * A stream is read to its end in one pass that keeps at most twice the limit.
 */
export async function readTail(source: ByteStreamFactory | ByteFile, limit: number): Promise<Tail> {
  if (isFile(source)) {
    const offset = Math.max(0, source.size - limit);
    const bytes = new Uint8Array(source.size - offset);
    for (let have = 0; have < bytes.length; ) {
      const part = await source.read(offset + have, bytes.length - have);
      if (part.length === 0) return { offset, bytes: bytes.subarray(0, have) };
      bytes.set(part, have);
      have += part.length;
    }
    return { offset, bytes };
  }
  const kept = new TailBuffer(limit);
  try {
    for await (const chunk of source()) kept.push(chunk);
  } catch (error) {
    if (!(error instanceof IommuError) || error.details.early === undefined) throw error;
    return { ...kept.tail(), early: error };
  }
  return kept.tail();
}

/** Keeps the last bytes of a stream: a buffer of at most twice the limit whose older half is given up when it is full. */
class TailBuffer {
  readonly #limit: number;
  #bytes = new Uint8Array(0x1_0000);
  #length = 0;
  #dropped = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#length === this.#bytes.length) this.#makeRoom();
      const part = chunk.subarray(at, at + this.#bytes.length - this.#length);
      this.#bytes.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
    }
  }

  #makeRoom(): void {
    if (this.#bytes.length < 2 * this.#limit) {
      const larger = new Uint8Array(Math.min(2 * this.#bytes.length, 2 * this.#limit));
      larger.set(this.#bytes);
      this.#bytes = larger;
      return;
    }
    this.#bytes.copyWithin(0, this.#length - this.#limit, this.#length);
    this.#dropped += this.#length - this.#limit;
    this.#length = this.#limit;
  }

  tail(): Tail {
    const from = Math.max(0, this.#length - this.#limit);
    return { offset: this.#dropped + from, bytes: this.#bytes.subarray(from, this.#length) };
  }
}
