import "./tce-table.test.ts";
import { describe, expect, it } from "vitest";
import { runSeed } from "../helpers/random.ts";
import { allSequences, mapOfWrites, SURROUNDINGS, WINDOWS } from "./campaigns.ts";

const HOUR = 3_600_000;

describe("a table of TCEs", () => {
  const seed = runSeed();

  it.each(WINDOWS)(
    `is the map that 20,000 writes make: $length entries of shift $pageShift, SEED=${seed}`,
    { timeout: HOUR },
    (window) => {
      try {
        mapOfWrites(window, seed, 20_000);
      } catch (cause) {
        throw new Error(`failed with SEED=${seed}`, { cause });
      }
    },
  );

  it.each(SURROUNDINGS)(
    "is right after all sequences of four operations: $name",
    { timeout: HOUR },
    (surroundings) => {
      expect(allSequences(surroundings, 4)).toBeGreaterThan(1_000_000);
    },
  );
});
