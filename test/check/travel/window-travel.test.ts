import { compareTravel } from "./window-travel-campaign.ts";

compareTravel(200_000, 20);
