import { describe, expect, it } from "vitest";
import { rounds, runSeed } from "../../helpers/random.ts";
import { leaveOutSyncs, takeSyncs } from "./missing-syncs-campaign.ts";

/** Syncs that the drivers of the recordings made. */
const SYNCS = 2715;

describe("a sync that is missing", () => {
  leaveOutSyncs(runSeed(), rounds(300));
});

describe("a sync that a real driver made", () => {
  it("is what is told to be missing, or nothing is, whichever of all is taken away", () => {
    const { taken, told, wrong } = takeSyncs(Math.floor(SYNCS / rounds(SYNCS)));
    expect(wrong).toEqual([]);
    expect(taken).toBeGreaterThanOrEqual(rounds(SYNCS));
    // The figures of docs/evidence.md.
    if (taken === SYNCS) expect(told).toBe(212);
  });
});
