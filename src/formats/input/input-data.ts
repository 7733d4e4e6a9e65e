import { type ByteFile, type ByteStream, type ByteStreamFactory, isOnce } from "../migration/source.ts";

/**
 * What a trace, an op script or a saved machine can be given as: its text or its bytes, packed (gzip, zstd, xz,
 * bzip2, lzop) or not. A string
 * is the content, never a path.
 *
 * | given | can be read again |
 * | --- | --- |
 * | text, bytes, a list of bytes, `Blob` (or a browser's `File`), {@link ByteFile} | yes |
 * | a function that opens a stream | yes |
 * | `ReadableStream`, other iterables and async iterables of bytes | no |
 *
 * What can be read again is read twice where that helps: a saved machine says at its end how long its sections are.
 *
 * @public
 */
export type InputData =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | Iterable<Uint8Array>
  | ByteStream
  | ByteStreamFactory
  | ByteFile;

/** Bytes as they were given, packed or not. */
export type RawSource = ByteStream | ByteStreamFactory | ByteFile;

/** One form of everything that can be given. */
export function rawSource(data: InputData): RawSource {
  if (typeof data === "string") return bytesFile(new TextEncoder().encode(data));
  if (data instanceof Uint8Array) return bytesFile(data);
  if (typeof data === "function") return data;
  if ("arrayBuffer" in data) return blobFile(data);
  if ("getReader" in data) return streamBytes(data);
  if (Array.isArray(data)) return () => iterableBytes(data);
  return Symbol.iterator in data ? iterableBytes(data) : data;
}

const bytesFile = (bytes: Uint8Array): ByteFile => ({
  size: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});

/** The bytes of a `Blob`. A browser reads its pieces several times as slowly as it streams all of it. */
export const blobFile = (blob: Blob): Required<ByteFile> => ({
  size: blob.size,
  read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  stream: () => streamBytes(blob.stream()),
});

/** Not every browser's stream can be iterated. */
async function* streamBytes(stream: ReadableStream<Uint8Array>): ByteStream {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}

async function* iterableBytes(pieces: Iterable<Uint8Array>): ByteStream {
  yield* pieces;
}

/** What messages call an input that was given no name. */
export const DEFAULT_INPUT_NAME = "input";

/** Can it be read only once? */
export const isReadOnce = (data: InputData): boolean => isOnce(rawSource(data));
