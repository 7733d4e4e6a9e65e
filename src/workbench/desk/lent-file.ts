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

/** While the bytes in one buffer are worked on, the next ones come into the other. */
async function* lentBytes(reader: ReadableStreamBYOBReader): ByteStream {
  let free = new ArrayBuffer(BUFFER);
  let next = reader.read(new Uint8Array(new ArrayBuffer(BUFFER)));
  try {
    for (;;) {
      const { done, value } = await next;
      if (done || value === undefined) return;
      next = reader.read(new Uint8Array(free));
      // Who stops here does not wait for it any more.
      next.catch(() => {});
      yield value;
      free = value.buffer;
    }
  } finally {
    await reader.cancel();
  }
}
