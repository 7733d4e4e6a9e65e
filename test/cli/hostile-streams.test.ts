import { describe } from "vitest";
import { readHostileStreams } from "./hostile-streams-campaign.ts";

describe("a hostile stream", () => readHostileStreams("quick"));
