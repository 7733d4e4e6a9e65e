import { compareTravel } from "./window-travel-campaign.ts";

compareTravel(8000, 2);
