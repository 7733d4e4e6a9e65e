import { describe, expect, it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { fuzzReaders } from "./fuzz-campaign.ts";
import { EVENT_NAMES } from "./simple-file.ts";

describe("mutated traces", () => {
  fuzzReaders(runSeed(), { ".log.gz": 10, ".simple.gz": 10, ".txt.gz": 45 });

  it("names of events are as many as there are", () => {
    expect(EVENT_NAMES.length).toBe(23);
  });
});
