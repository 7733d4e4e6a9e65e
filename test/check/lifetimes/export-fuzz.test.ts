import { describe } from "vitest";
import { runSeed } from "../../helpers/random.ts";
import { exportDamagedTraces } from "./export-fuzz-campaign.ts";

describe("exports of damaged traces", () => exportDamagedTraces(runSeed(), 2));
