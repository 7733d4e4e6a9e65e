import { describe, expect, it } from "vitest";
import { walkCallbacks } from "./callbacks-campaign.ts";

/** Past seeds: one that found a fault stays here. */
const SEEDS = [1, 2, 3, 4];

describe("random calls in callbacks", () => {
  it.each(SEEDS)("leave the entries and the mirrors of a naive model: seed %i", (seed) => {
    const { nested } = walkCallbacks(seed, 2500);
    expect(nested).toBeGreaterThan(500);
  });
});
