import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { damageSaved, READERS } from "./damage-campaign.ts";

it.each(READERS)(
  `100,000 damaged files are no trouble: $reader, SEED=${runSeed()}`,
  { timeout: 3_600_000 },
  (reader) => damageSaved(reader, runSeed(), 100_000),
);
