import { runSeed } from "../helpers/random.ts";
import { walkHosts } from "./reach-model-campaign.ts";

walkHosts(runSeed(), 40);
