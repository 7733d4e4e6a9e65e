import { it } from "vitest";
import { rounds } from "../helpers/random.ts";
import { mutatedStreams } from "./mutated-streams.ts";

it("a side that is sent nonsense ends with an error, and neither hangs nor grows", async () => {
  await mutatedStreams(rounds(100_000));
});
