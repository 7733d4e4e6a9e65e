import { IommuError, type IommuErrorCode } from "../../base/errors.ts";
import { hex, toBig } from "../../base/u64.ts";
import { type ByteStream, type ByteSupply, isOnce, type MigrationSource, supplyOf } from "./source.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** An error about the content of a stream; the offset counts from the first byte of the stream. */
export const badStream = (offset: number, message: string): IommuError =>
  streamError("BAD_FILE", offset, message);

/** The same for a stream that is right, but of a kind that is not read. */
export const unsupportedStream = (offset: number, message: string): IommuError =>
  streamError("UNSUPPORTED", offset, message);

/** The same for a stream that would take more memory than allowed. */
export const streamLimit = (offset: number, message: string): IommuError =>
  streamError("LIMIT_EXCEEDED", offset, message);

const streamError = (code: IommuErrorCode, offset: number, message: string): IommuError =>
  new IommuError(code, `migration stream, byte ${offset} (${hex(offset)}): ${message}`, { offset });

/** `7e 00 00 00 09`, or what says that there is nothing. */
export const bytesText = (bytes: Uint8Array): string =>
  bytes.length === 0 ? "the end" : Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Big-endian 32-bit number at a position that the caller has checked. */
export const u32At = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;

/**
 * A position in a stream of chunks.
 *
 * Loops that must be fast look at `bytes` from `at` on and move `at`
 * themselves; they wait only when {@link available} is too small. Nothing is
 * copied but what lies across the border of two chunks.
 */
export class ByteCursor {
  /** The bytes at hand; replaced by every method that waits. */
  bytes: Uint8Array = NOTHING;
  /** Position in {@link bytes}. */
  at = 0;

  readonly #source: MigrationSource;
  #supply: ByteSupply;
  /** Offset in the stream of `bytes[0]`. */
  #base = 0;
  /** The chunk that came last; `bytes` is this chunk, or a joined piece that ends in it. */
  #chunk: Uint8Array = NOTHING;
  /** How far `bytes` reaches into the chunk. */
  #reach = 0;

  constructor(source: MigrationSource) {
    this.#source = source;
    this.#supply = supplyOf(source);
  }

  /** Offset in the stream of the next byte. */
  get offset(): number {
    return this.#base + this.at;
  }

  /** Number of bytes that can be read without waiting. */
  get available(): number {
    return this.bytes.length - this.at;
  }

  /** Gives the source back, also before its end. */
  async close(): Promise<void> {
    await this.#supply.close();
  }

  /** Goes to any place of a source that can be read again; of others, this is false. */
  async goTo(offset: number): Promise<boolean> {
    if (isOnce(this.#source)) return false;
    await this.#supply.close();
    this.#supply = supplyOf(this.#source, offset);
    this.#forget(offset);
    return true;
  }

  /** The bytes at hand, and a few that follow: up to `count`, copied, for messages. */
  async peek(count: number): Promise<Uint8Array> {
    await this.fill(count);
    return this.bytes.slice(this.at, this.at + count);
  }

  /** All bytes from here on, once. */
  async *rest(): ByteStream {
    try {
      while (await this.fill(1)) {
        const piece = this.bytes.subarray(this.at);
        this.at = this.bytes.length;
        yield piece;
      }
    } finally {
      await this.close();
    }
  }

  /** Makes `count` bytes available, all in one piece. Returns false if the stream ends before; what is left stays available. */
  async fill(count: number): Promise<boolean> {
    if (this.available >= count) return true;
    // A joined piece has done its duty when only bytes of the chunk are left of it.
    if (this.available <= this.#reach) this.#useChunk(this.#reach - this.available);
    if (this.available === 0 && (await this.#nextChunk())) this.#useChunk(0);
    return this.available >= count || (await this.#join(count));
  }

  /** Copies what is left and the beginning of what follows into one piece. */
  async #join(count: number): Promise<boolean> {
    const offset = this.offset;
    const joined = new Uint8Array(count);
    joined.set(this.bytes.subarray(this.at));
    for (let have = this.available; have < count; ) {
      if (this.#reach === this.#chunk.length && !(await this.#nextChunk())) {
        this.#become(joined.subarray(0, have), 0, offset);
        return false;
      }
      const part = this.#chunk.subarray(this.#reach, this.#reach + count - have);
      joined.set(part, have);
      have += part.length;
      this.#reach += part.length;
    }
    this.#become(joined, 0, offset);
    return true;
  }

  /** Makes `bytes` the chunk, with the current position at `at` of it. */
  #useChunk(at: number): void {
    this.#become(this.#chunk, at, this.offset);
    this.#reach = this.#chunk.length;
  }

  /** Nothing is at hand: the next chunk begins at `offset`. */
  #forget(offset: number): void {
    this.#chunk = NOTHING;
    this.#reach = 0;
    this.#become(NOTHING, 0, offset);
  }

  #become(bytes: Uint8Array, at: number, offset: number): void {
    this.bytes = bytes;
    this.at = at;
    this.#base = offset - at;
  }

  /** Gets the next chunk that is not empty; false at the end, where the last one is the source's again. */
  async #nextChunk(): Promise<boolean> {
    for (;;) {
      const next = await this.#supply.next();
      if (next?.length === 0) continue;
      this.#chunk = next ?? NOTHING;
      this.#reach = 0;
      return next !== undefined;
    }
  }

  /** Like {@link fill}, but the end of the stream is an error that names what is missing. */
  async need(count: number, what: string): Promise<void> {
    if (this.available >= count || (await this.fill(count))) return;
    const end = this.offset + this.available;
    throw badStream(
      end,
      `the stream ends within ${what}, which needs ${count} bytes from offset ${this.offset}`,
    );
  }

  /** Passes over bytes, however many. */
  async skip(count: number, what: string): Promise<void> {
    const end = this.offset + count;
    for (let left = count; left > 0; ) {
      if (this.available === 0) left -= this.#pass(left);
      if (left === 0) return;
      if (this.available === 0 && !(await this.fill(1))) {
        throw badStream(this.offset, `the stream ends within ${what}, which should reach to offset ${end}`);
      }
      const step = Math.min(left, this.available);
      this.at += step;
      left -= step;
    }
  }

  /** Passes over bytes that need not be read: none is at hand, not even one of the chunk beyond a joined piece. */
  #pass(count: number): number {
    if (this.#reach < this.#chunk.length) return 0;
    const passed = this.#supply.pass(count);
    if (passed > 0) this.#forget(this.offset + passed);
    return passed;
  }

  async u8(what: string): Promise<number> {
    await this.need(1, what);
    return this.bytes[this.at++]!;
  }

  async u16(what: string): Promise<number> {
    await this.need(2, what);
    this.at += 2;
    return (this.bytes[this.at - 2]! << 8) | this.bytes[this.at - 1]!;
  }

  async u32(what: string): Promise<number> {
    await this.need(4, what);
    this.at += 4;
    return u32At(this.bytes, this.at - 4);
  }

  async u64(what: string): Promise<bigint> {
    await this.need(8, what);
    this.at += 8;
    return toBig(u32At(this.bytes, this.at - 8), u32At(this.bytes, this.at - 4));
  }

  /** A length byte and so many characters, as QEMU writes names. */
  async name(what: string): Promise<string> {
    return this.text(await this.u8(`the length of ${what}`), what);
  }

  /** Characters of ASCII that can be printed; anything else is no name. */
  async text(length: number, what: string): Promise<string> {
    await this.need(length, what);
    const end = this.at + length;
    for (let at = this.at; at < end; at++) {
      const code = this.bytes[at]!;
      if (code >= 0x20 && code <= 0x7e) continue;
      this.at = at;
      throw badStream(this.offset, `${what} contains the byte ${hex(code)}, which is not printable`);
    }
    // In one go: a text that grows by characters takes 32 bytes for each.
    const text = String.fromCharCode(...this.bytes.subarray(this.at, end));
    this.at = end;
    return text;
  }
}
