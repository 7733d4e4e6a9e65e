import { describe, it } from "vitest";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";
import { Random, rounds, runSeed } from "../../helpers/random.ts";
import { damageRecordings } from "./damage-campaign.ts";

const samplesOf = (names: readonly string[]): Uint8Array[] =>
  names.map((name) => readCorpus("recordings", name));
const namesOf = (ending: string): string[] =>
  corpusNames("recordings", `${ending}.gz`).map((name) => name + ending);

describe("damaged recordings end with what could be read or with the place", () => {
  it(`${rounds(100_000)} of trace.dat, SEED=${runSeed()}`, async () => {
    await damageRecordings(samplesOf(namesOf(".dat")), new Random(runSeed()), rounds(100_000));
  });

  it(`${rounds(99_000)} of perf.data, SEED=${runSeed()}`, async () => {
    const plain = namesOf(".data").filter((name) => !name.includes("-z"));
    await damageRecordings(samplesOf(plain), new Random(runSeed()), rounds(99_000));
  });

  // What is damaged within a frame of zstd stays in the decoder's memory.
  it(`${rounds(1000)} of packed perf.data, SEED=${runSeed()}`, async () => {
    await damageRecordings(samplesOf(["72-perf613-z.data"]), new Random(runSeed()), rounds(1000));
  });
});
