import { IommuError } from "../../base/errors.ts";
import { badRecording } from "../event-format/byte-reader.ts";
import { Zstd } from "../input/zstd.ts";

/**
 * Unpacks a chunk of which the unpacked size is told.
 *
 * @param packed bytes that are lent
 * @throws IommuError BAD_FILE if it is damaged or has another size
 */
type UnpackChunk = (packed: Uint8Array, size: number) => Promise<Uint8Array>;

/** The same, with the offset of the packed bytes for messages. */
export type Unpack = (packed: Uint8Array, size: number, offset: number) => Promise<Uint8Array>;

/** Makes what unpacks the compression of a trace.dat, of which the name stands at an offset. */
export async function unpackerOf(what: string, compression: string, offset: number): Promise<Unpack> {
  const unpack = await chunksOf(compression);
  if (unpack === undefined) {
    const name = JSON.stringify(compression.slice(0, 20));
    const message = `compression ${name} is not known here: zstd, zlib and none are`;
    throw badRecording(what, offset, message, "UNSUPPORTED");
  }
  return async (packed, size, at) => {
    try {
      return await unpack(packed, size);
    } catch (cause) {
      throw badRecording(what, at, cause instanceof IommuError ? cause.message : `damaged: ${cause}`);
    }
  };
}

async function chunksOf(compression: string): Promise<UnpackChunk | undefined> {
  if (compression === "none") return async (packed) => packed;
  if (compression === "zlib") return inflate;
  if (compression !== "zstd") return undefined;
  const zstd = await Zstd.load();
  return async (packed, size) => zstd.frame(packed, size);
}

/** Unpacks zlib's format, up to a size. */
async function inflate(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  // What is wrong with the bytes is said to the reader.
  writer.write(new Uint8Array(packed)).catch(() => {});
  writer.close().catch(() => {});
  const reader = readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const bytes = new Uint8Array(size);
  let length = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (length + next.value.length > size) throw otherSize(size);
      bytes.set(next.value, length);
      length += next.value.length;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (length !== size) throw otherSize(size);
  return bytes;
}

const otherSize = (size: number): IommuError =>
  new IommuError("BAD_FILE", `the zlib data should have ${size} bytes`);
