import { describe } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { fuzzReaders } from "./fuzz-campaign.ts";

describe("mutated traces", () => {
  fuzzReaders(runSeed(), { ".log.gz": 40_000, ".simple.gz": 20_000, ".txt.gz": 40_000 });
});
