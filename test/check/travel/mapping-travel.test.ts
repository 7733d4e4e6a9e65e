import { smallCorpusNames } from "../../helpers/corpus.ts";
import { compareMappings } from "./mapping-travel-campaign.ts";

compareMappings(smallCorpusNames("traces", ".txt.gz", 6_000));
