import { IommuError } from "../../base/errors.ts";

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

/**
 * The fixed part of a payload: fields in order, little-endian, without gaps.
 * What follows it is its tail: data, entries, a bitmap.
 */
export class Layout<F extends Fields> {
  readonly bytes: number;
  readonly #what: string;
  readonly #fields: readonly (readonly [name: string, kind: Kind, at: number])[];

  /** @param what names the payload in messages */
  constructor(what: string, fields: F) {
    this.#what = what;
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
    return body.subarray(this.bytes);
  }

  /** Writes the fixed part at an offset of a buffer. */
  write(values: ValuesOf<F>, into: Uint8Array, at: number): void {
    const view = new DataView(into.buffer, into.byteOffset + at);
    for (const [name, kind, offset] of this.#fields) {
      const value = values[name as keyof F];
      if (kind === "u64") view.setBigUint64(offset, value as bigint, true);
      else if (kind === "u32") view.setUint32(offset, value as number, true);
      else view.setUint16(offset, value as number, true);
    }
  }

  /** A message with this payload: room for the header, the fixed part, a tail. */
  frame(values: ValuesOf<F>, tail: Uint8Array = NOTHING): Frame {
    const frame = this.frameWithRoom(values, tail.length);
    frame.set(tail, HEADER_BYTES + this.bytes);
    return frame;
  }

  /** A message with this payload and so many zero bytes behind it, to be filled in. */
  frameWithRoom(values: ValuesOf<F>, tailBytes: number): Frame {
    const frame = new Uint8Array(HEADER_BYTES + this.bytes + tailBytes);
    this.write(values, frame, HEADER_BYTES);
    return frame;
  }
}

/** A whole message in one buffer, whose header is filled in when it is sent ({@link seal}). */
export type Frame = Uint8Array<ArrayBuffer>;

/** A message without payload. */
export const emptyFrame = (): Frame => new Uint8Array(HEADER_BYTES);
