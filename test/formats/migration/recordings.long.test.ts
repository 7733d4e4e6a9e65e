import { describe } from "vitest";
import { LINUX, offerStreams } from "./recordings-campaign.ts";

describe("a recorded stream", () => offerStreams(LINUX));
