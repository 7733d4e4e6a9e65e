import { hiOf, loOf } from "../../base/u64.ts";

const VARINT = 0;
const DOUBLE = 1;
const BYTES = 2;
/** Bytes of every message's length: it is written last, so its size is fixed. 28 bits hold 256 MiB. */
const LENGTH_BYTES = 4;

/** Writes protobuf messages into a buffer that grows and is used again. */
export class ProtobufWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #length: number;
  readonly #encoder = new TextEncoder();

  constructor() {
    this.#bytes = new Uint8Array(1 << 16);
    this.#view = new DataView(this.#bytes.buffer);
    this.#length = 0;
  }

  get length(): number {
    return this.#length;
  }

  /** What was written since the last call; valid until the next write. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  /** Begins a message in `field`; give the result to {@link end}. */
  begin(field: number): number {
    this.#tag(field, BYTES);
    this.#length += LENGTH_BYTES;
    return this.#length;
  }

  /** Ends a message: patches its length, as a varint with more bytes than it needs. */
  end(start: number): void {
    const length = this.#length - start;
    for (let i = 0; i < LENGTH_BYTES; i++) {
      const more = i < LENGTH_BYTES - 1 ? 0x80 : 0;
      this.#bytes[start - LENGTH_BYTES + i] = ((length >>> (7 * i)) & 0x7f) | more;
    }
  }

  /** A `uint64`, `int64`, enum or the like; negative values as 64 bits in two's complement. */
  integer(field: number, value: number | bigint): void {
    this.#tag(field, VARINT);
    if (typeof value === "number" && value >= 0 && value <= 0xffff_ffff) this.#varint(0, value);
    else this.#varint(hiOf(BigInt(value)), loOf(BigInt(value)));
  }

  double(field: number, value: number): void {
    this.#tag(field, DOUBLE);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  text(field: number, value: string): void {
    this.#reserve(value.length * 3);
    const start = this.begin(field);
    this.#length += this.#encoder.encodeInto(value, this.#bytes.subarray(start)).written;
    this.end(start);
  }

  #tag(field: number, type: number): void {
    // A tag, a length or value of at most ten bytes, and a little more.
    this.#reserve(32);
    this.#varint(0, (field << 3) | type);
  }

  #varint(hi: number, lo: number): void {
    while (hi !== 0 || lo > 0x7f) {
      this.#bytes[this.#length++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.#bytes[this.#length++] = lo;
  }

  #reserve(more: number): void {
    const needed = this.#length + more + 32;
    if (needed <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
