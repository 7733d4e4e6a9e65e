import { describe, expect, it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { some } from "../../helpers/some.ts";
import { feedInPieces, headOf, RECORDINGS } from "./feeding-campaign.ts";
import { digest, whole } from "./readers.ts";

/** Of each file a part is enough to meet every kind of line. */
const PART = { pieces: 24_000, single: 1_200 };

describe("a trace may be fed in any pieces", () => {
  it.each(some(RECORDINGS, 3))(`$name, $kind, SEED=${runSeed()}`, (recording) =>
    feedInPieces(runSeed(), recording, PART),
  );

  it("keeps nothing of a chunk that the caller changes afterwards", () => {
    for (const recording of RECORDINGS.filter(({ name }) => /planted|disk-full/.test(name))) {
      const { kind } = recording;
      const bytes = headOf(recording, 20_000);
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
