import { IommuError } from "../../base/errors.ts";

/** Does this begin as a zstd frame does, or as what may stand before one? */
export const isZstd = (head: Uint8Array): boolean =>
  (head[0] === 0x28 || (head[0]! & 0xf0) === 0x50) &&
  head[1] === (head[0] === 0x28 ? 0xb5 : 0x2a) &&
  head[2] === (head[0] === 0x28 ? 0x2f : 0x4d) &&
  head[3] === (head[0] === 0x28 ? 0xfd : 0x18);

/**
 * Unpacks zstd: frames of a known size by Node's own zlib where it has zstd (from 22.15), all else by zstd's decoder as
 * WebAssembly (zstddec), which also runs in browsers. Its memory for a frame is at most 128 MiB, as `zstd -d` has it.
 */
export class Zstd {
  readonly #decoder: Decoder;
  readonly #own = ownZlib();

  private constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  /** Starts the decoder, which takes some 0.1 s. */
  static async load(): Promise<Zstd> {
    const { ZSTDDecoder } = await import("zstddec/stream");
    const decoder = new ZSTDDecoder();
    await decoder.init();
    return new Zstd(decoder);
  }

  /**
   * Unpacks a whole frame.
   *
   * @param size of what is in it, in bytes, which the caller limits
   * @throws IommuError BAD_FILE if it is damaged or holds another number of bytes
   */
  frame(packed: Uint8Array, size: number): Uint8Array {
    // The decoder takes 0 for a size that it has to find.
    const bytes = size === 0 ? new Uint8Array(0) : this.#unpack(packed, size);
    if (bytes === undefined || bytes.length !== size) throw damaged();
    return bytes;
  }

  #unpack(packed: Uint8Array, size: number): Uint8Array | undefined {
    if (this.#own === undefined) return this.#decoder.decode(packed, size);
    try {
      return this.#own(packed, { maxOutputLength: size });
    } catch {
      return undefined;
    }
  }

  /** Unpacks frames one after another that come in pieces. */
  stream(): ZstdStream {
    return new ZstdStream(this.#decoder);
  }
}

/** The part of `ZSTDDecoder` that is used. */
interface Decoder {
  decode(packed: Uint8Array, size: number): Uint8Array;
  decodeStreaming(pieces: Iterable<Uint8Array>): Generator<Uint8Array>;
}

/** More pieces without any bytes than empty frames and headers in a row can give: the decoder does not get on. */
const MAX_EMPTY_PIECES = 64;
/** Bytes that the decoder gives at a time: `ZSTD_DStreamOutSize`. Less means that it has no more. */
const FULL_PIECE = 131_072;
/** A frame that says nothing. */
const SKIPPED_FRAME = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);

/**
 * Frames of zstd that come in pieces, cut anywhere. The unpacked bytes of a piece come at the latest with the next one:
 * the decoder asks for more when it has taken all, and so it must be given more then. (Damaged data makes it stand
 * still, and its memory is not free again before the process ends.)
 */
export class ZstdStream {
  /** What the decoder takes next. */
  #next: Uint8Array | undefined;
  readonly #unpacked: Generator<Uint8Array>;
  /** Bytes of the last piece. */
  #length = 0;
  /** Pieces without any bytes of what was taken last. */
  #empty = 0;
  #bytes = 0;

  constructor(decoder: Decoder) {
    this.#unpacked = decoder.decodeStreaming(this.#pieces());
  }

  /** Unpacked bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  *#pieces(): Generator<Uint8Array> {
    for (let piece = this.#next; piece !== undefined; piece = this.#next) {
      this.#next = undefined;
      this.#empty = 0;
      yield piece;
    }
    // It keeps what did not fit, and gives it when it takes something.
    if (this.#length === FULL_PIECE) yield SKIPPED_FRAME;
  }

  /**
   * Takes more, and gives what was left of the piece before and what it unpacked of this one. All is to be asked for.
   *
   * @throws IommuError BAD_FILE if it is damaged
   */
  *push(packed: Uint8Array): Generator<Uint8Array> {
    if (packed.length > 0) this.#next = packed;
    while (this.#next !== undefined) {
      const piece = this.#unpack();
      if (piece!.length > 0) yield piece!;
    }
  }

  /**
   * The rest, after the last piece.
   *
   * @throws IommuError BAD_FILE if it is damaged, or ends early: then with the reason in `details.early`
   */
  *end(): Generator<Uint8Array> {
    for (let piece = this.#unpack(); piece !== undefined; piece = this.#unpack()) {
      if (piece.length > 0) yield piece;
    }
  }

  #unpack(): Uint8Array | undefined {
    const { value, done } = this.#step();
    if (done === true) return undefined;
    this.#length = value.length;
    this.#bytes += value.length;
    this.#empty = value.length === 0 ? this.#empty + 1 : 0;
    if (this.#empty > MAX_EMPTY_PIECES) throw damaged();
    return value;
  }

  /** The decoder throws for the end only. */
  #step(): IteratorResult<Uint8Array> {
    try {
      return this.#unpacked.next();
    } catch (cause) {
      const reason = "the zstd data ends early";
      throw new IommuError("BAD_FILE", reason, { offset: this.#bytes, early: reason }, { cause });
    }
  }
}

const damaged = (): IommuError => new IommuError("BAD_FILE", "the zstd data is damaged");

/** `zstdDecompressSync` of Node. */
type OwnUnpack = (packed: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array;

/** Node's own, asked for at run time: the same code runs in browsers. */
function ownZlib(): OwnUnpack | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } };
  const zlib = process?.getBuiltinModule?.("zlib") as { zstdDecompressSync?: OwnUnpack } | undefined;
  return zlib?.zstdDecompressSync;
}
