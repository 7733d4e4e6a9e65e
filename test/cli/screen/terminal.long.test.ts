import { useScreens } from "./terminal-campaign.ts";

useScreens("all");
