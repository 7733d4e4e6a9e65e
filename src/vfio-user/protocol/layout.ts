import { IommuError } from "../../base/errors.ts";
import { hiOf, loOf, toBig } from "../../base/u64.ts";

const FIELD_BYTES = { u16: 2, u32: 4, u64: 8 } as const;
type Kind = keyof typeof FIELD_BYTES;

/** Room in front of each payload, so that a message is one buffer and one write. */
export const HEADER_BYTES = 16;

type Fields = Readonly<Record<string, Kind>>;
/** What the fields of a layout hold. */
export type ValuesOf<F extends Fields> = {
  -readonly [name in keyof F]: F[name] extends "u64" ? bigint : number;
};

const NOTHING = new Uint8Array(0);

/** Some of the bytes, where they are; `subarray` does the same in twice the time. */
export const viewOf = ({ buffer, byteOffset }: Uint8Array, at: number, bytes: number): Uint8Array =>
  new Uint8Array(buffer, byteOffset + at, bytes);

/** A field of 32 bits. */
export const u32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

/** A field of 64 bits. */
export const u64At = (bytes: Uint8Array, at: number): bigint => toBig(u32At(bytes, at + 4), u32At(bytes, at));

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function putU64(bytes: Uint8Array, at: number, value: bigint): void {
  putU32(bytes, at, loOf(value));
  putU32(bytes, at + 4, hiOf(value));
}

/** Reading and writing of one layout by hand, for messages of which there are tens of thousands a second. */
export interface Codec<F extends Fields> {
  /** There are enough bytes. */
  read(bytes: Uint8Array, at: number): ValuesOf<F>;
  write(values: ValuesOf<F>, into: Uint8Array, at: number): void;
}

/**
 * The fixed part of a payload: fields in order, little-endian, without gaps.
 * What follows it is its tail: data, entries, a bitmap.
 */
export class Layout<F extends Fields> {
  readonly bytes: number;
  readonly #what: string;
  readonly #fields: readonly (readonly [name: string, kind: Kind, at: number])[];
  readonly #codec: Codec<F> | undefined;

  /**
   * @param what names the payload in messages
   * @param codec does the same as the fields say, faster
   */
  constructor(what: string, fields: F, codec?: Codec<F>) {
    this.#what = what;
    this.#codec = codec;
    let at = 0;
    this.#fields = Object.entries(fields).map(([name, kind]) => {
      const field = [name, kind, at] as const;
      at += FIELD_BYTES[kind];
      return field;
    });
    this.bytes = at;
  }

  /**
   * Reads the fixed part.
   *
   * @param at offset in the bytes
   * @throws IommuError PEER if there are too few bytes
   */
  read(body: Uint8Array, at = 0): ValuesOf<F> {
    if (body.length < at + this.bytes) {
      const found = body.length - at;
      throw new IommuError("PEER", `${this.#what} of ${found} bytes: at least ${this.bytes} expected`, {
        bytes: found,
        expected: this.bytes,
      });
    }
    if (this.#codec !== undefined) return this.#codec.read(body, at);
    return this.readFields(body, at);
  }

  /** Reads field by field, as the layout says. */
  readFields(body: Uint8Array, at: number): ValuesOf<F> {
    const view = new DataView(body.buffer, body.byteOffset + at);
    const values: Record<string, number | bigint> = {};
    for (const [name, kind, offset] of this.#fields) {
      values[name] =
        kind === "u64"
          ? view.getBigUint64(offset, true)
          : kind === "u32"
            ? view.getUint32(offset, true)
            : view.getUint16(offset, true);
    }
    return values as ValuesOf<F>;
  }

  /**
   * What follows the fixed part.
   *
   * @param bytes how much that must be; by default any number
   * @throws IommuError PEER if it is not as long
   */
  tail(body: Uint8Array, bytes: number = body.length - this.bytes): Uint8Array {
    const found = body.length - this.bytes;
    if (found !== bytes) {
      throw new IommuError("PEER", `${this.#what} with ${found} bytes of data: ${bytes} expected`, {
        bytes: found,
        expected: bytes,
      });
    }
    return viewOf(body, this.bytes, bytes);
  }

  /** Writes the fixed part at an offset of a buffer. */
  write(values: ValuesOf<F>, into: Uint8Array, at: number): void {
    if (this.#codec !== undefined) this.#codec.write(values, into, at);
    else this.writeFields(values, into, at);
  }

  /** Writes field by field, as the layout says. */
  writeFields(values: ValuesOf<F>, into: Uint8Array, at: number): void {
    const view = new DataView(into.buffer, into.byteOffset + at);
    for (const [name, kind, offset] of this.#fields) {
      const value = values[name as keyof F];
      if (kind === "u64") view.setBigUint64(offset, value as bigint, true);
      else if (kind === "u32") view.setUint32(offset, value as number, true);
      else view.setUint16(offset, value as number, true);
    }
  }

  /** A message with this payload: room for the header, the fixed part, a tail. */
  frame(values: ValuesOf<F>, tail: Uint8Array = NOTHING, make: FrameMaker = newFrame): Frame {
    const frame = this.frameWithRoom(values, tail.length, make);
    if (tail.length > 0) frame.set(tail, HEADER_BYTES + this.bytes);
    return frame;
  }

  /** A message with this payload and so many bytes behind it, which are to be filled in; they are zeros if `make` is not given. */
  frameWithRoom(values: ValuesOf<F>, tailBytes: number, make: FrameMaker = newFrame): Frame {
    const frame = make(HEADER_BYTES + this.bytes + tailBytes);
    this.write(values, frame, HEADER_BYTES);
    return frame;
  }
}

/** Gives room for a message of so many bytes. */
export type FrameMaker = (bytes: number) => Frame;

/** Small messages are cut from one buffer, one behind the other: a buffer for each is most of what such a message costs. */
const SHEET_BYTES = 2 ** 14;
/** A larger message has a buffer of its own. */
export const SMALL_FRAME = 256;
let sheet = new ArrayBuffer(SHEET_BYTES);
let used = 0;

/** Room for a message, of zeros. */
export const newFrame: FrameMaker = (bytes) => {
  if (bytes > SMALL_FRAME) return new Uint8Array(bytes);
  if (used + bytes > SHEET_BYTES) {
    sheet = new ArrayBuffer(SHEET_BYTES);
    used = 0;
  }
  const frame = new Uint8Array(sheet, used, bytes);
  used += bytes;
  return frame;
};

/** A whole message in one buffer, whose header is filled in when it is sent ({@link seal}). */
export type Frame = Uint8Array<ArrayBuffer>;

/** A message without payload. */
export const emptyFrame = (): Frame => newFrame(HEADER_BYTES);
