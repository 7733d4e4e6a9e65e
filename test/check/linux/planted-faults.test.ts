import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { findPlantedFaults } from "./planted-faults-campaign.ts";

it(`planted faults of Linux machines are found, and nothing else is, SEED=${runSeed()}`, async () => {
  await findPlantedFaults(runSeed(), 12);
});
