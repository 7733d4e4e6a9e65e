import { runDamaged } from "./damaged-scripts-campaign.ts";

runDamaged(200);
