import { IommuError } from "../../base/errors.ts";
import type { ByteStream } from "./source.ts";

/** Bytes of a stream that are to be replaced. */
export interface Patch {
  readonly offset: number;
  /** Bytes taken away. */
  readonly length: number;
  /** Bytes put in their place, in pieces. */
  readonly bytes: Iterable<Uint8Array>;
}

/**
 * The bytes of a stream with patches, which are in order and do not overlap.
 *
 * @param length of the stream when the patches were made
 * @throws IommuError BAD_ARGUMENT at the end, if the stream has another length
 */
export async function* patched(source: ByteStream, patches: Iterable<Patch>, length: number): ByteStream {
  const waiting = patches[Symbol.iterator]();
  const nextPatch = (): Patch | undefined => {
    const next = waiting.next();
    return next.done === true ? undefined : next.value;
  };
  let patch = nextPatch();
  let offset = 0;
  let skip = 0;
  for await (const chunk of source) {
    for (let at = 0; ; ) {
      const gone = Math.min(skip, chunk.length - at);
      skip -= gone;
      at += gone;
      if (skip > 0) break;
      const end = Math.min(chunk.length, patch === undefined ? Infinity : patch.offset - offset);
      if (at < end) yield chunk.subarray(at, end);
      at = end;
      if (patch === undefined || offset + at !== patch.offset) break;
      yield* patch.bytes;
      skip = patch.length;
      patch = nextPatch();
    }
    offset += chunk.length;
  }
  if (offset !== length) {
    throw new IommuError(
      "BAD_ARGUMENT",
      `the source has ${offset} bytes, the stream that was read ${length}`,
      {
        offset,
      },
    );
  }
}
