import { compareTravel } from "./window-travel-campaign.ts";

compareTravel(100_000, 10);
