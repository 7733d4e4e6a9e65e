import { IommuError, type IommuErrorCode } from "../../base/errors.ts";
import { hex, TWO32 } from "../../base/u64.ts";

/** Bytes that can be read anywhere; fewer than were asked for only at their end. Lent until the next call. */
export interface RandomBytes {
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** An error about the content of a recording, with the place of the byte. */
export const badRecording = (
  what: string,
  offset: number,
  message: string,
  code: IommuErrorCode = "BAD_FILE",
): IommuError => new IommuError(code, `${what}, byte ${offset} (${hex(offset)}): ${message}`, { offset });

/** Bytes that are asked for at a time. */
const BLOCK = 65_536;
/** Bytes of a name. */
const MAX_NAME = 1024;

/** Bytes in memory, at a place of a file for messages. */
export const bytesAt = (bytes: Uint8Array, base: number): RandomBytes => ({
  read: async (offset, length) => bytes.subarray(Math.max(0, offset - base), offset - base + length),
});

/** Reads numbers and texts one after another, in the byte order of the machine that recorded. */
export class ByteReader {
  littleEndian = true;
  /** What is read, for messages. */
  readonly what: string;
  readonly #file: RandomBytes;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Offset of the first of `#bytes`. */
  #base: number;
  #at = 0;

  constructor(file: RandomBytes, offset: number, what: string, littleEndian = true) {
    this.#file = file;
    this.#base = offset;
    this.what = what;
    this.littleEndian = littleEndian;
  }

  /** Offset of the next byte. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** Goes on at another place. */
  seek(offset: number): void {
    const at = offset - this.#base;
    if (at >= 0 && at <= this.#bytes.length) this.#at = at;
    else {
      this.#base = offset;
      this.#at = 0;
      this.#bytes = this.#bytes.subarray(0, 0);
    }
  }

  /** Makes so many bytes available; returns false if there are fewer. */
  async has(count: number): Promise<boolean> {
    if (this.#bytes.length - this.#at >= count) return true;
    const pieces: Uint8Array[] = [];
    const offset = this.offset;
    let have = 0;
    while (have < count) {
      const piece = await this.#file.read(offset + have, Math.max(BLOCK, count - have));
      if (piece.length === 0) break;
      pieces.push(piece.slice());
      have += piece.length;
    }
    this.#base = offset;
    this.#at = 0;
    this.#bytes = concat(pieces, have);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    return have >= count;
  }

  /** @throws IommuError BAD_FILE if there are fewer */
  async need(count: number): Promise<void> {
    if (!(await this.has(count))) throw this.bad("the file ends here");
  }

  async u8(): Promise<number> {
    await this.need(1);
    return this.#bytes[this.#at++]!;
  }

  async u16(): Promise<number> {
    await this.need(2);
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, this.littleEndian);
  }

  async u32(): Promise<number> {
    await this.need(4);
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, this.littleEndian);
  }

  /** A number of 64 bits that counts or places bytes, exact up to 2^53. */
  async u64(): Promise<number> {
    const big = await this.big();
    if (big > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#at -= 8;
      throw this.bad(`${hex(big)} is no place and no number of bytes in a file`);
    }
    return Number(big);
  }

  async big(): Promise<bigint> {
    await this.need(8);
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8, this.littleEndian);
  }

  /** So many bytes, lent until the next call; the caller limits them. */
  async bytes(count: number): Promise<Uint8Array> {
    await this.need(count);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** The text up to a NUL. */
  async name(): Promise<string> {
    await this.has(MAX_NAME);
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0 || end - this.#at >= MAX_NAME) throw this.bad("a name should end within 1024 bytes");
    const name = textOf(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return name;
  }

  skip(count: number): void {
    this.seek(this.offset + count);
  }

  /** A number of bytes that is read as a whole. */
  limited(count: number, limit: number, of: string): number {
    if (count > limit)
      throw badRecording(
        this.what,
        this.offset,
        `${of} of ${count} bytes, and at most ${limit} are read`,
        "LIMIT_EXCEEDED",
      );
    return count;
  }

  bad(message: string): IommuError {
    return badRecording(this.what, this.offset, message);
  }
}

function concat(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const UTF8 = new TextDecoder();

/** Text of names and formats: UTF-8, where a wrong byte becomes a mark. */
export const textOf = (bytes: Uint8Array): string => UTF8.decode(bytes);

/** Two halves as a number, exact below 2^53. */
export const joinHalves = (hi: number, lo: number): number => hi * TWO32 + lo;
