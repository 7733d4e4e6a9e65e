import { compareLives } from "./lives-campaign.ts";

compareLives(3);
