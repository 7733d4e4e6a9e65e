import { runDamaged } from "./damaged-scripts-campaign.ts";

runDamaged(50_000);
