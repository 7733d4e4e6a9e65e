import { it } from "vitest";
import { mutatedStreams } from "./mutated-streams.ts";

it("a side that is sent nonsense ends with an error, and neither hangs nor grows", async () => {
  await mutatedStreams(60);
});
