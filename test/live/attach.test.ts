import { attachSessions } from "./attach-campaign.ts";

attachSessions(16);
