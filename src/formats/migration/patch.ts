import { IommuError } from "../../base/errors.ts";
import { ByteCursor } from "./byte-cursor.ts";
import type { ByteStream, MigrationSource } from "./source.ts";

/** Bytes of a stream that are to be replaced. */
export interface Patch {
  readonly offset: number;
  /** Bytes taken away. */
  readonly length: number;
  /** Bytes put in their place, in pieces. */
  readonly bytes: Iterable<Uint8Array>;
}

/**
 * The bytes of a stream with patches, which are in order and do not overlap. What is taken away need not be read.
 *
 * @param length of the stream when the patches were made; what follows it is left out
 * @throws IommuError BAD_ARGUMENT at the end, if the stream is shorter
 */
export async function* patched(
  source: MigrationSource,
  patches: Iterable<Patch>,
  length: number,
): ByteStream {
  const cursor = new ByteCursor(source);
  try {
    for (const patch of patches) {
      yield* upTo(cursor, patch.offset, length);
      yield* patch.bytes;
      await cursor.skip(patch.length, "what is replaced");
    }
    yield* upTo(cursor, length, length);
  } finally {
    await cursor.close();
  }
}

async function* upTo(cursor: ByteCursor, end: number, length: number): ByteStream {
  while (cursor.offset < end) {
    if (!(await cursor.fill(1))) {
      const { offset } = cursor;
      const message = `the source has ${offset} bytes, the stream that was read ${length}`;
      throw new IommuError("BAD_ARGUMENT", message, { offset });
    }
    const piece = cursor.bytes.subarray(cursor.at, cursor.at + end - cursor.offset);
    cursor.at += piece.length;
    yield piece;
  }
}

/** Two lists of patches, each in order, as one. */
export function* inOrder(some: Iterable<Patch>, others: readonly Patch[]): Generator<Patch> {
  let next = 0;
  for (const patch of some) {
    while (next < others.length && others[next]!.offset < patch.offset) yield others[next++]!;
    yield patch;
  }
  yield* others.slice(next);
}
