import { it } from "vitest";
import { rounds, runSeed } from "../../helpers/random.ts";
import { damageSaved, READERS } from "./damage-campaign.ts";

it.each(READERS)(
  `${rounds(100_000)} damaged files are no trouble: $reader, SEED=${runSeed()}`,
  { timeout: 3_600_000 },
  (reader) => damageSaved(reader, runSeed(), rounds(100_000)),
);
