import { describe, it } from "vitest";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { damageRecordings } from "./damage-campaign.ts";

const samplesOf = (names: readonly string[]): Uint8Array[] =>
  names.map((name) => readCorpus("recordings", name));
const namesOf = (ending: string): string[] =>
  corpusNames("recordings", `${ending}.gz`).map((name) => name + ending);

describe("damaged recordings end with what could be read or with the place", () => {
  it("100,000 of trace.dat", async () => {
    await damageRecordings(samplesOf(namesOf(".dat")), new Random(runSeed()), 1500);
  });

  it("100,000 of perf.data", async () => {
    const plain = namesOf(".data").filter((name) => !name.includes("-z"));
    await damageRecordings(samplesOf(plain), new Random(runSeed()), 1500);
  });

  // What is damaged within a frame of zstd stays in the decoder's memory.
  it("1,000 of packed perf.data", async () => {
    await damageRecordings(samplesOf(["72-perf613-z.data"]), new Random(runSeed()), 400);
  });
});
