import { it } from "vitest";
import { rounds, runSeed } from "../../helpers/random.ts";
import { plantInAnyWindow } from "./any-geometry.ts";
import { anyPlace, plantFaults } from "./planted-faults-campaign.ts";

it(`finds each of ${rounds(1000)} faults planted into real traces, and nothing else, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), rounds(1000));
});

it(`finds each of ${rounds(500)} faults where the default windows lie elsewhere, SEED=${runSeed()}`, () => {
  plantFaults(runSeed(), rounds(500), anyPlace);
});

it(`finds those in windows of any legal geometry, SEED=${runSeed()}`, () => {
  plantInAnyWindow(runSeed(), 1000);
});
