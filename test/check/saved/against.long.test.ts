import { it } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { changeEntries, PAIRS } from "./against-campaign.ts";

it.each(PAIRS)(`$name differs in exactly the entry that was changed, SEED=${runSeed()}`, ({ name }) =>
  changeEntries(runSeed(), name, 6),
);
