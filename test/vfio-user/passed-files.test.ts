import { PROFILES, passFiles } from "./passed-files-campaign.ts";

passFiles(PROFILES.slice(0, 1));
