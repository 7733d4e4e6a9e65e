import { ByteCursor, bytesText } from "../migration/byte-cursor.ts";
import type { ByteStream } from "../migration/source.ts";
import { nodeBuiltin } from "./node-builtin.ts";
import { unpackByPlatform } from "./platform-gunzip.ts";
import { unpackError } from "./unpack-error.ts";

/** The part of Node's `zlib` that is used. */
interface Zlib {
  createInflateRaw(options: { readonly chunkSize: number }): Inflate;
  crc32(bytes: Uint8Array, before: number): number;
}

interface Inflate {
  /** Packed bytes that were taken. */
  readonly bytesWritten: number;
  on(event: "data", handle: (bytes: Uint8Array) => void): void;
  on(event: "end", handle: () => void): void;
  on(event: "error", handle: (error: Error) => void): void;
  write(bytes: Uint8Array, done: () => void): void;
  end(): void;
  destroy(): void;
}

/**
 * Unpacked bytes at a time, of a member that is longer than these and of a short one. Where a piece is unpacked into two of them, its
 * second half waits until nobody looks at anything: a large one holds several pieces.
 */
const [CHUNK, SHORT_CHUNK] = [1 << 22, 1 << 16];
/**
 * Packed bytes at a time. What is unpacked of them is lost if they are damaged: few at the beginning, so that little of a
 * small file is lost.
 */
const [FIRST_PIECE, PIECE] = [1024, 16_384];
const FIRST_PIECES = 64 * FIRST_PIECE;

const NOTHING = new Uint8Array(0);
const ENDS_EARLY = new Error("the gzip data ends early");

const FLAG_HEADER_CRC = 2;
const FLAG_EXTRA = 4;
const FLAG_NAME = 8;
const FLAG_COMMENT = 16;
const DEFLATE = 8;

/**
 * Unpacks gzip: one member after another.
 *
 * @throws IommuError BAD_FILE if it ends early, is damaged or something else follows it, with the reason in
 * `details.early`: what came before can be used
 */
export function gunzip(packed: ByteStream, name: string): ByteStream {
  const zlib = nodeBuiltin<Zlib>("zlib");
  return zlib?.crc32 === undefined ? unpackByPlatform(packed, name) : new Gunzip(zlib, packed, name).read();
}

class Gunzip {
  readonly #zlib: Zlib;
  readonly #cursor: ByteCursor;
  readonly #name: string;
  #unpacked = 0;
  /** Unpacked bytes at a time: of a member as long as the one before, if that was short. */
  #chunk = CHUNK;

  constructor(zlib: Zlib, packed: ByteStream, name: string) {
    this.#zlib = zlib;
    this.#cursor = new ByteCursor(packed);
    this.#name = name;
  }

  async *read(): ByteStream {
    try {
      do {
        await this.#readHeader();
        yield* this.#readMember();
      } while (await this.#findsNext());
    } finally {
      await this.#cursor.close();
    }
  }

  #failed(what: string, cause?: unknown): Error {
    return unpackError(this.#name, what, this.#unpacked, cause);
  }

  async #need(count: number): Promise<void> {
    if (!(await this.#cursor.fill(count))) throw this.#failed(ENDS_EARLY.message);
  }

  async #readHeader(): Promise<void> {
    const cursor = this.#cursor;
    const { offset } = cursor;
    await this.#need(10);
    const [method, flags] = [cursor.bytes[cursor.at + 2], cursor.bytes[cursor.at + 3]!];
    if (method !== DEFLATE)
      throw this.#failed(`the gzip data is damaged (method ${method} at byte ${offset + 2})`);
    cursor.at += 10;
    if ((flags & FLAG_EXTRA) !== 0) {
      await this.#need(2);
      const length = cursor.bytes[cursor.at]! | (cursor.bytes[cursor.at + 1]! << 8);
      await this.#need(2 + length);
      cursor.at += 2 + length;
    }
    if ((flags & FLAG_NAME) !== 0) await this.#skipText();
    if ((flags & FLAG_COMMENT) !== 0) await this.#skipText();
    if ((flags & FLAG_HEADER_CRC) === 0) return;
    await this.#need(2);
    cursor.at += 2;
  }

  async #skipText(): Promise<void> {
    const cursor = this.#cursor;
    for (;;) {
      await this.#need(1);
      const end = cursor.bytes.indexOf(0, cursor.at);
      cursor.at = end < 0 ? cursor.bytes.length : end + 1;
      if (end >= 0) return;
    }
  }

  /** What is packed in a member, and its sums. */
  async *#readMember(): ByteStream {
    const cursor = this.#cursor;
    const first = this.#unpacked;
    const inflater = new Inflater(this.#zlib, this.#chunk);
    let crc = 0;
    try {
      let next = this.#next(inflater);
      for (;;) {
        const { pieces, taken, isDone } = await next;
        cursor.at += taken;
        // The next bytes are unpacked while what is here is looked at, which comes before what is wrong with them.
        if (!isDone) next = this.#next(inflater);
        next.catch(() => {});
        for (const piece of pieces) {
          crc = this.#zlib.crc32(piece, crc);
          this.#unpacked += piece.length;
          yield piece;
        }
        if (isDone) break;
      }
    } catch (cause) {
      if (cause === ENDS_EARLY) throw this.#failed(ENDS_EARLY.message);
      if ((cause as { code?: unknown }).code !== "Z_DATA_ERROR") throw cause;
      const where = `at or after byte ${cursor.offset} of it`;
      throw this.#failed(`the gzip data is damaged ${where} (${(cause as Error).message})`, cause);
    } finally {
      inflater.close();
    }
    const { offset } = cursor;
    await this.#need(8);
    const view = new DataView(cursor.bytes.buffer, cursor.bytes.byteOffset + cursor.at);
    const isRight =
      view.getUint32(0, true) === crc && view.getUint32(4, true) === (this.#unpacked - first) % 2 ** 32;
    if (!isRight)
      throw this.#failed(`the gzip data is damaged before byte ${offset} of it (its sum is another)`);
    cursor.at += 8;
    this.#chunk = Math.max(SHORT_CHUNK, Math.min(this.#unpacked - first, CHUNK));
  }

  /** Unpacks what comes next: what is at hand at once, before anybody looks at anything else. */
  #next(inflater: Inflater): Promise<Inflated> {
    const cursor = this.#cursor;
    if (cursor.available === 0) return this.#nextOfMore(inflater);
    const most = cursor.offset < FIRST_PIECES ? FIRST_PIECE : PIECE;
    return inflater.push(cursor.bytes.subarray(cursor.at, cursor.at + most));
  }

  async #nextOfMore(inflater: Inflater): Promise<Inflated> {
    const isMore = await this.#cursor.fill(1);
    if (!isMore && !(await inflater.finish())) throw ENDS_EARLY;
    return isMore ? this.#next(inflater) : inflater.push(NOTHING);
  }

  /** Goes to the next member; false at the end, which zeros may follow. */
  async #findsNext(): Promise<boolean> {
    const cursor = this.#cursor;
    const { offset } = cursor;
    for (;;) {
      if (!(await cursor.fill(1))) return false;
      while (cursor.available > 0 && cursor.bytes[cursor.at] === 0) cursor.at++;
      if (cursor.available > 0) break;
    }
    const head = await cursor.peek(16);
    if (offset === cursor.offset && head[0] === 0x1f && head[1] === 0x8b) return true;
    throw this.#failed(
      `the gzip data ends at byte ${offset}, and other bytes follow it (${bytesText(head)})`,
    );
  }
}

interface Inflated {
  readonly pieces: readonly Uint8Array[];
  /** Packed bytes that were taken. */
  readonly taken: number;
  /** Nothing that follows belongs to it. */
  readonly isDone: boolean;
}

/** Unpacks bytes beside everything else, in a thread of Node's. */
class Inflater {
  readonly #inflate: Inflate;
  #pieces: Uint8Array[] = [];
  #taken = 0;
  #isDone = false;
  #settle: ((error?: Error) => void) | undefined;
  #failure: Error | undefined;

  constructor(zlib: Zlib, chunk: number) {
    this.#inflate = zlib.createInflateRaw({ chunkSize: chunk });
    this.#inflate.on("data", (piece) => this.#pieces.push(piece));
    this.#inflate.on("end", () => {
      this.#isDone = true;
      this.#settle?.();
    });
    this.#inflate.on("error", (error) => {
      this.#failure = error;
      this.#settle?.(error);
    });
  }

  async push(packed: Uint8Array): Promise<Inflated> {
    if (!this.#isDone) await this.#settled(() => this.#inflate.write(packed, () => this.#settle?.()));
    const pieces = this.#pieces;
    this.#pieces = [];
    const taken = this.#inflate.bytesWritten - this.#taken;
    this.#taken += taken;
    return { pieces, taken, isDone: this.#isDone };
  }

  /** Nothing follows; returns whether it is whole. */
  async finish(): Promise<boolean> {
    try {
      await this.#settled(() => this.#inflate.end());
    } catch {
      return false;
    }
    return this.#isDone;
  }

  close(): void {
    this.#inflate.destroy();
  }

  #settled(begin: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
      begin();
    });
  }
}
