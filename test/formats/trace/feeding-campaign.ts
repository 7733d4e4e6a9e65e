import { expect } from "vitest";
import { corpusNames, readCorpusHead } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";
import { byteByByte, digest, inPieces, READER_KINDS, type ReaderKind, whole } from "./readers.ts";

interface Recording {
  readonly name: string;
  readonly kind: ReaderKind;
}

/** All recordings that a reader of traces takes. */
export const RECORDINGS: readonly Recording[] = READER_KINDS.flatMap((kind) =>
  corpusNames("traces", kind).map((name) => ({ name, kind })),
);

/** The first bytes of a recording. */
export const headOf = ({ name, kind }: Recording, length: number): Uint8Array =>
  readCorpusHead("traces", name + kind.replace(".gz", ""), length);

/** However a recording is cut, the reader finds the same in it. @param part bytes that are fed in pieces, and singly */
export function feedInPieces(
  seed: number,
  recording: Recording,
  part: { readonly pieces: number; readonly single: number },
): void {
  const { kind } = recording;
  const random = new Random(seed);
  const bytes = headOf(recording, part.pieces);
  const expected = digest(kind, whole(bytes));
  for (const longest of [100, 5000, 1_000_000]) {
    expect(digest(kind, inPieces(bytes, longest, random))).toEqual(expected);
  }
  const head = bytes.subarray(0, part.single);
  expect(digest(kind, byteByByte(head))).toEqual(digest(kind, whole(head)));
}
