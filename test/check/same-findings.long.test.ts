import "./same-findings.test.ts";
import { it } from "vitest";
import { rounds, runSeed } from "../helpers/random.ts";
import { findTheSame } from "./same-findings-campaign.ts";

it(`texts that were printed, mailed, logged or made elsewhere have the same findings, SEED=${runSeed()}`, () => {
  findTheSame(runSeed(), rounds(4), true);
});
