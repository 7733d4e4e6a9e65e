import { describe } from "vitest";
import { rounds, runSeed } from "../../helpers/random.ts";
import { fuzzReaders } from "./fuzz-campaign.ts";

describe("mutated traces", () => {
  fuzzReaders(runSeed(), {
    ".log.gz": rounds(40_000),
    ".simple.gz": rounds(20_000),
    ".txt.gz": rounds(40_000),
  });
});
