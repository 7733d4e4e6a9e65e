import { describe, it } from "vitest";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { damageRecordings } from "./damage-campaign.ts";

/** A few of the campaigns of `npm run test:long`. */
describe("damaged recordings end with what could be read or with the place", () => {
  it.each(["612-v6.dat", "612-v7-zstd.dat", "72-perf.data", "72-perf-pipe.data"])("%s", async (name) => {
    await damageRecordings([readCorpus("recordings", name)], new Random(runSeed()), 15);
  });
});
