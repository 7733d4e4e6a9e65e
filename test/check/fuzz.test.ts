import { it } from "vitest";
import { runSeed } from "../helpers/random.ts";
import { fuzzChecks } from "./fuzz-campaign.ts";

it(`checks survive damaged traces of all formats, SEED=${runSeed()}`, () => {
  fuzzChecks(runSeed(), 90);
});
