import { ByteReader, badRecording, type RandomBytes } from "../event-format/byte-reader.ts";
import type { CpuData, DatBuffer } from "./dat-options.ts";
import type { Unpack } from "./unpack.ts";

/** Bytes of a chunk, packed or not; trace-cmd puts ten pages into one. */
const MAX_CHUNK = 2 ** 24;

/** Bytes of the number of chunks, which `trace-cmd convert` does not count as data of the CPU. */
const NUMBER_OF_CHUNKS = 4;

/** Some pages of a CPU, one after another. */
export interface Pages {
  /** Whole pages; they stay until the next ones are asked for. */
  readonly bytes: Uint8Array;
  /** Where the first one stands in the file, or the chunk that they are packed in. */
  readonly offset: number;
  readonly isPacked: boolean;
}

/** Gives the pages of a CPU, some at a time. Undefined after the last ones. */
export interface CpuPages {
  next(): Promise<Pages | undefined>;
}

/** Who is told what keeps from reading on: the offset, and the reason. */
export type OnEnd = (offset: number, reason: string) => void;

/** The pages of a CPU. */
export function cpuPages(
  file: RandomBytes,
  what: string,
  buffer: DatBuffer,
  data: CpuData,
  read: {
    readonly littleEndian: boolean;
    readonly unpack: Unpack;
    /** Bytes that are read at a time. */
    readonly window: number;
    readonly onEnd: OnEnd;
  },
): CpuPages {
  if (!buffer.isCompressed) return new PlainPages(file, data, buffer.pageSize, read.window, read.onEnd);
  const reader = new ByteReader(file, data.offset, what, read.littleEndian);
  return new PackedPages(reader, data, buffer.pageSize, read.unpack);
}

/** Pages as they stand in the file. */
class PlainPages implements CpuPages {
  readonly #file: RandomBytes;
  readonly #pageSize: number;
  readonly #onEnd: OnEnd;
  readonly #buffer: Uint8Array;
  #offset: number;
  readonly #end: number;

  constructor(file: RandomBytes, data: CpuData, pageSize: number, window: number, onEnd: OnEnd) {
    this.#file = file;
    this.#pageSize = pageSize;
    this.#onEnd = onEnd;
    this.#offset = data.offset;
    this.#end = data.offset + data.size;
    const pages = Math.max(1, Math.floor(Math.min(window, data.size) / pageSize));
    this.#buffer = new Uint8Array(pages * pageSize);
  }

  async next(): Promise<Pages | undefined> {
    const offset = this.#offset;
    const want = Math.min(this.#buffer.length, this.#end - offset);
    let have = 0;
    while (have < want) {
      const piece = await this.#file.read(offset + have, want - have);
      if (piece.length === 0) break;
      this.#buffer.set(piece, have);
      have += piece.length;
    }
    this.#offset += have;
    if (have < want)
      this.#onEnd(this.#offset, `the file ends here, ${this.#end - this.#offset} bytes too early`);
    if (have < want) this.#offset = this.#end;
    // A piece of a page at the end is none.
    const whole = have - (have % this.#pageSize);
    return whole === 0 ? undefined : { bytes: this.#buffer.subarray(0, whole), offset, isPacked: false };
  }
}

/** Pages in packed chunks. */
class PackedPages implements CpuPages {
  readonly #reader: ByteReader;
  readonly #end: number;
  readonly #pageSize: number;
  readonly #unpack: Unpack;
  /** Chunks that are left; undefined before the first one. */
  #chunks: number | undefined;

  constructor(reader: ByteReader, data: CpuData, pageSize: number, unpack: Unpack) {
    this.#reader = reader;
    this.#end = data.offset + NUMBER_OF_CHUNKS + data.size;
    this.#pageSize = pageSize;
    this.#unpack = unpack;
    if (data.size === 0) this.#chunks = 0;
  }

  async next(): Promise<Pages | undefined> {
    const reader = this.#reader;
    this.#chunks ??= await reader.u32();
    while (this.#chunks > 0) {
      this.#chunks--;
      const packed = reader.limited(await reader.u32(), MAX_CHUNK, "a chunk");
      const size = reader.limited(await reader.u32(), MAX_CHUNK, "a chunk");
      const { offset } = reader;
      if (offset + packed > this.#end)
        throw badRecording(reader.what, offset, "a chunk that is larger than the data of its CPU");
      const bytes = await this.#unpack(await reader.bytes(packed), size, offset);
      const whole = size - (size % this.#pageSize);
      if (whole > 0) return { bytes: bytes.subarray(0, whole), offset, isPacked: true };
    }
    return undefined;
  }
}
