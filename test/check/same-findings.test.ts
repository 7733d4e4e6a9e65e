import { it } from "vitest";
import { runSeed } from "../helpers/random.ts";
import { findTheSame } from "./same-findings-campaign.ts";

it(`texts that were printed, mailed, logged or made elsewhere have the same findings, SEED=${runSeed()}`, () => {
  findTheSame(runSeed(), 1, false);
});
