import { attachSessions } from "./attach-campaign.ts";

attachSessions(12);
