import { describe, it } from "vitest";
import { OTHER_PROFILES, reproduces } from "./reproduced.ts";

describe("exec", () => {
  it.each(OTHER_PROFILES)("reproduces every recording as another system, too: $kind $profile", (kind) =>
    reproduces(kind, () => true),
  );
});
