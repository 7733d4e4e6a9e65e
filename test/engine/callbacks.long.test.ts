import { describe, expect, it } from "vitest";
import { runSeed } from "../helpers/random.ts";
import { walkCallbacks } from "./callbacks-campaign.ts";
import { callFromCallbacks } from "./callbacks-matrix.ts";

const seed = runSeed();

it(`10^6 random calls, in callbacks, too, leave the entries and the mirrors of a naive model: SEED=${seed}`, () => {
  expect(walkCallbacks(seed, 1_000_000).nested).toBeGreaterThan(200_000);
});

describe("calls from callbacks", () => callFromCallbacks(1, 1));
