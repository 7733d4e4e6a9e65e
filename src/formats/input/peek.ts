import type { ByteStream } from "../migration/source.ts";

const NOTHING = new Uint8Array(0);

/** A stream whose first bytes were looked at. */
export interface Peeked {
  /** At least as many as were asked for, unless the stream is shorter. */
  readonly head: Uint8Array;
  /** All bytes, from the start on. */
  readonly chunks: AsyncGenerator<Uint8Array>;
}

/**
 * Looks at the first bytes of a stream. What keeps it from reading more of them is thrown after those that were read.
 *
 * @throws what the stream throws, if nothing can be read
 */
export async function peek(stream: ByteStream, headBytes: number): Promise<Peeked> {
  const source = stream[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let failure: { readonly error: unknown } | undefined;
  for (let bytes = 0; bytes < headBytes; ) {
    try {
      const next = await source.next();
      if (next.done === true) break;
      // A chunk belongs to its source, which may use it again. (The slice of a Buffer would be no copy.)
      pieces.push(new Uint8Array(next.value));
      bytes += next.value.length;
    } catch (error) {
      if (pieces.length === 0) throw error;
      failure = { error };
      break;
    }
  }
  const chunks = chain(pieces, failure, source);
  // It has begun, so that its end closes the source even if nobody reads on.
  await chunks.next();
  return { head: joined(pieces), chunks };
}

/** Bytes in one piece. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

async function* chain(
  pieces: readonly Uint8Array[],
  failure: { readonly error: unknown } | undefined,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield NOTHING;
    yield* pieces;
    if (failure !== undefined) throw failure.error;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
