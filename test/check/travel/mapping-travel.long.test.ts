import { corpusNames } from "../../helpers/corpus.ts";
import { compareMappings } from "./mapping-travel-campaign.ts";

compareMappings(corpusNames("traces", ".txt.gz"));
