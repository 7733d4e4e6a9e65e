import { expect, it } from "vitest";
import { openSource, readTail } from "../../../src/formats/migration/source.ts";
import fc from "../../helpers/fast-check.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { times } from "../../helpers/some.ts";
import { anySize, chunksOf, fileOf, joined } from "./sources.ts";

it("the tail of a source is its last bytes, in a stream of many times the limit, too", async () => {
  const random = new Random(runSeed());
  const lengths = fc.integer({ min: 0, max: 500_000 });
  const limits = fc.integer({ min: 1, max: 100_000 });
  await fc.assert(
    fc.asyncProperty(lengths, limits, async (length, limit) => {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) ^ (i >> 8));
      const offset = Math.max(0, length - limit);
      for (const source of [fileOf(bytes), () => chunksOf(bytes, anySize(random))]) {
        const tail = await readTail(source, limit);
        expect(tail.offset).toBe(offset);
        expect(Buffer.compare(tail.bytes, bytes.subarray(offset))).toBe(0);
        expect(Buffer.compare(await joined(openSource(source)), bytes)).toBe(0);
      }
    }),
    { seed: random.seed, numRuns: times(5, 100) },
  );
});
