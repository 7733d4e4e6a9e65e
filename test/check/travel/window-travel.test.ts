import { compareTravel } from "./window-travel-campaign.ts";

compareTravel(20_000, 2);
