<<<<<<< HEAD
import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import type { NotifierOptions } from "../../src/memory/iommu-notifier.ts";
import type { Accelerator } from "../../src/spapr/accelerator.ts";
import { RtasToken } from "../../src/spapr/papr.ts";
import { loadTables, saveTables } from "../../src/spapr/saved-table.ts";
import type { ReplayStrategy } from "../../src/spapr/window-replay.ts";
import { describe as described, LIOBN, Mirror, World, type WorldOptions } from "./world.ts";
=======
import { describe } from "vitest";
import { callFromCallbacks } from "./callbacks-matrix.ts";
>>>>>>> refs/heads/tests

describe("calls from callbacks", () => callFromCallbacks(8));
