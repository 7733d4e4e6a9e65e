import { describe, it } from "vitest";
import { CORPUS, OTHER_PROFILES, reproduces } from "./reproduced.ts";

describe("exec", () => {
  it.each([...CORPUS, ...OTHER_PROFILES])(
    "reproduces every recording, also as another system: $kind $profile",
    (kind) => reproduces(kind, () => true),
  );
});
