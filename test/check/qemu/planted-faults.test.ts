import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { plantFaults } from "./planted-faults-campaign.ts";

it(`finds each fault planted into real traces, and nothing else, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), 24);
});
