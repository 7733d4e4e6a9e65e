import { describe, it } from "vitest";
import { corpusNames } from "../../helpers/corpus.ts";
import { runSeed } from "../../helpers/random.ts";
import { feedInPieces, RECORDINGS } from "./feeding-campaign.ts";
import { compareSimple, readLog } from "./recorded-logs.ts";

describe("a recording", () => {
  it.each(corpusNames("traces", ".log.gz"))("%s has the sidecar's facts, and its lines come back", readLog);

  it.each(corpusNames("traces", ".simple.gz"))(
    "%s has the events of the log, as its sidecar says",
    compareSimple,
  );

  it.each(RECORDINGS)(`$name, $kind may be fed in any pieces, SEED=${runSeed()}`, (recording) =>
    feedInPieces(runSeed(), recording, { pieces: 3_000_000, single: 100_000 }),
  );
});
