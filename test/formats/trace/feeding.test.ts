import { describe, expect, it } from "vitest";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { byteByByte, digest, inPieces, READER_KINDS, whole } from "./readers.ts";

/** Of the longest files a part is enough to meet every kind of cut. */
const PIECES_BYTES = 3_000_000;
const SINGLE_BYTES = 100_000;

describe("a trace may be fed in any pieces", () => {
  const files = READER_KINDS.flatMap((kind) => corpusNames("traces", kind).map((name) => ({ name, kind })));

  it.each(files)("$name$kind", ({ name, kind }) => {
    const seed = runSeed();
    const bytes = readCorpus("traces", name + kind.replace(".gz", "")).subarray(0, PIECES_BYTES);
    const random = new Random(seed);
    const expected = digest(kind, whole(bytes));
    for (const longest of [100, 5000, 1_000_000]) {
      expect(digest(kind, inPieces(bytes, longest, random)), `SEED=${seed}`).toEqual(expected);
    }
    const head = bytes.subarray(0, SINGLE_BYTES);
    expect(digest(kind, byteByByte(head))).toEqual(digest(kind, whole(head)));
  });

  it("keeps nothing of a chunk that the caller changes afterwards", () => {
    for (const { name, kind } of files.filter(
      ({ name }) => name.includes("planted") || name.includes("disk-full"),
    )) {
      const bytes = readCorpus("traces", name + kind.replace(".gz", "")).subarray(0, SINGLE_BYTES);
      const shared = new Uint8Array(777);
      const reused = digest(kind, (push) => {
        for (let at = 0; at < bytes.length; at += shared.length) {
          const chunk = bytes.subarray(at, at + shared.length);
          shared.set(chunk);
          push(shared.subarray(0, chunk.length));
          shared.fill(0x0a);
        }
      });
      expect(reused).toEqual(digest(kind, whole(bytes)));
    }
  });
});
