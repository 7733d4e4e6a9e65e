import { describe, expect, it } from "vitest";
import { rounds, runSeed } from "../helpers/random.ts";
import { walkCallbacks } from "./callbacks-campaign.ts";
import { callFromCallbacks } from "./callbacks-matrix.ts";

const seed = runSeed();
const CALLS = rounds(1_000_000);

it(`${CALLS} random calls, in callbacks, too, leave the entries and the mirrors of a naive model: SEED=${seed}`, () => {
  expect(walkCallbacks(seed, CALLS).nested).toBeGreaterThan(CALLS / 5);
});

describe("calls from callbacks", () => callFromCallbacks(1, 1));
