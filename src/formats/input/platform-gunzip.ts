import type { ByteStream } from "../migration/source.ts";
import { unpackError } from "./unpack-error.ts";

/** Unpacks gzip by what every browser has. Bytes that follow the data are an error there, before or after its last bytes. */
export async function* unpackByPlatform(packed: ByteStream, name: string): ByteStream {
  const { readable, writable } = new DecompressionStream("gzip");
  const reader = readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const feeder = new Feeder(packed);
  // What the source says about its end matters to nobody.
  feeder.feed(writable.getWriter()).catch(() => {});
  let bytes = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      bytes += next.value.length;
      yield next.value;
    }
  } catch (cause) {
    throw feeder.failure ?? damaged(name, bytes, feeder.isDone, cause);
  } finally {
    feeder.isStopped = true;
    await reader.cancel().catch(() => {});
  }
}

/** Hands packed bytes to the one who unpacks them. */
class Feeder {
  /** All bytes were taken, and none of them was wrong by itself. */
  isDone = false;
  /** Nobody wants more. */
  isStopped = false;
  /** What the source of the bytes threw. */
  failure: unknown;
  readonly #packed: AsyncIterator<Uint8Array>;

  constructor(packed: ByteStream) {
    this.#packed = packed[Symbol.asyncIterator]();
  }

  /** Runs beside the reader of what is unpacked, who gets all errors. */
  async feed(writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>): Promise<void> {
    try {
      for (let next = await this.#next(); next.done !== true && !this.isStopped; next = await this.#next()) {
        // Chunks are lent, and unpacked later.
        await writer.write(new Uint8Array(next.value));
      }
      this.isDone = true;
      await writer.close();
    } catch (cause) {
      await writer.abort(cause).catch(() => {});
    } finally {
      await this.#packed.return?.();
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#packed.next();
    } catch (cause) {
      this.failure = cause;
      throw cause;
    }
  }
}

/** @param isDone all packed bytes were taken */
function damaged(name: string, offset: number, isDone: boolean, cause: unknown): Error {
  // Node takes bytes before it looks at them, and says then what is wrong.
  const isEarly = isDone && (cause as { code?: unknown }).code !== "Z_DATA_ERROR";
  const reason = isEarly
    ? "the gzip data ends early"
    : `the gzip data is damaged after ${offset} unpacked bytes (${(cause as Error).message})`;
  return unpackError(name, reason, offset, cause);
}
