import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { plantInAnyWindow } from "./any-geometry.ts";
import { anyPlace, plantFaults } from "./planted-faults-campaign.ts";

it(`finds each fault planted into real traces, and nothing else, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), 3);
});

it(`finds them as well where the default windows lie elsewhere, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), 2, anyPlace);
});

it(`finds those in windows of any legal geometry, SEED=${runSeed()}`, () => {
  plantInAnyWindow(runSeed(), 30);
});
