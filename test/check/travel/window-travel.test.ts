import { compareTravel } from "./window-travel-campaign.ts";

compareTravel(40_000, 5);
