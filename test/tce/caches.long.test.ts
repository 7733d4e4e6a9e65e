import { describe, it } from "vitest";
import { Random, rounds, runSeed } from "../helpers/random.ts";
import { CachedLookups, SHAPES } from "./cached-lookups.ts";

/** Steps of all rows together. */
const STEPS = rounds(1_000_000);
const HOUR = 3_600_000;

describe("what a table caches", () => {
  const seed = runSeed();
  it.each(SHAPES)(`is what the tree holds, for long: %o, SEED=${seed}`, { timeout: HOUR }, (shape) => {
    console.log(`caches of a table of ${shape.length} entries: SEED=${seed}`);
    try {
      new CachedLookups(shape, new Random(seed)).run(STEPS / SHAPES.length);
    } catch (cause) {
      throw new Error(`failed with SEED=${seed}`, { cause });
    }
  });
});
