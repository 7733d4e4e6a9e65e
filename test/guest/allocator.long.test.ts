import { it } from "vitest";
import { rounds, runSeed } from "../helpers/random.ts";
import { allocatorCampaign } from "./allocator-campaign.ts";

const seed = runSeed();
it(`the table of a window is a naive allocator's, SEED=${seed}`, { timeout: 3_600_000 }, () => {
  console.log(`allocator of entries: SEED=${seed}`);
  for (let run = 0; run < rounds(10); run++) allocatorCampaign(seed + run, 100_000 / 4);
});
