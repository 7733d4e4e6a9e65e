import { describe, expect, it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { leaveOutSyncs, takeSyncs } from "./missing-syncs-campaign.ts";

describe("a sync that is missing", () => {
  leaveOutSyncs(runSeed(), 300);
});

describe("a sync that a real driver made", () => {
  it("is what is told to be missing, or nothing is, whichever of all is taken away", () => {
    // The figures of docs/evidence.md.
    expect(takeSyncs(1)).toEqual({ taken: 2715, told: 212, wrong: [] });
  });
});
