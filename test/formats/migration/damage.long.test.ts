import { describe, it } from "vitest";
import { rounds, runSeed } from "../../helpers/random.ts";
import { cutSmallMachine } from "./cut-campaign.ts";
import { damageStream } from "./damage-campaign.ts";

it(`a stream damaged ${rounds(100_000)} times ends with a stream or with offset and reason, SEED=${runSeed()}`, () =>
  damageStream(runSeed(), rounds(100_000)));

describe("a small machine", () => cutSmallMachine(1));
