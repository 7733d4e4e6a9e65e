import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { plantInAnyWindow } from "./any-geometry.ts";
import { anyPlace, plantFaults } from "./planted-faults-campaign.ts";

it(`finds each of 1000 faults planted into real traces, and nothing else, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), 1000);
});

it(`finds each of 500 faults where the default windows lie elsewhere, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), 500, anyPlace);
});

it(`finds those in windows of any legal geometry, SEED=${runSeed()}`, () => {
  plantInAnyWindow(runSeed(), 1000);
});
