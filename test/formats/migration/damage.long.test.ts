import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { damageStream } from "./damage-campaign.ts";

it(`a stream damaged 100,000 times ends with a stream or with offset and reason, SEED=${runSeed()}`, () =>
  damageStream(runSeed(), 100_000));
