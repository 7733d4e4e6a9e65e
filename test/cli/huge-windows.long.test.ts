import { describe } from "vitest";
import { useHugeWindows } from "./huge-windows-campaign.ts";

describe("a window of 2^31 full entries", () => useHugeWindows("all"));
