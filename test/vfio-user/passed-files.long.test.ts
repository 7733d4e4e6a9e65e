import { PROFILES, passFiles } from "./passed-files-campaign.ts";

passFiles(PROFILES);
