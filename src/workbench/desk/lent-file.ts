import { blobFile } from "../../formats/input/input-data.ts";
import type { ByteFile, ByteStream } from "../../formats/migration/source.ts";

/** Bytes that are asked for at a time. */
const BUFFER = 2 ** 20;

/**
 * A browser's file of which all bytes come in one buffer, again and again, where the browser can do that: a buffer for each piece is
 * garbage, and all that the worker keeps is marked each time that there is much of it.
 */
export const lentFile = (blob: Blob): Required<ByteFile> => {
  const file = blobFile(blob);
  return {
    ...file,
    stream: () => {
      const stream = blob.stream();
      const reader = readerOf(stream);
      return reader === undefined ? file.stream() : lentBytes(reader);
    },
  };
};

/** Not every browser's stream fills a buffer that it is lent. */
function readerOf(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

async function* lentBytes(reader: ReadableStreamBYOBReader): ByteStream {
  let buffer = new Uint8Array(BUFFER);
  try {
    for (;;) {
      const { done, value } = await reader.read(buffer);
      if (done || value === undefined) return;
      yield value;
      buffer = new Uint8Array(value.buffer);
    }
  } finally {
    await reader.cancel();
  }
}
