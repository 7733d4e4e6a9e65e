import { describe, it } from "vitest";
import { CORPUS, OTHER_PROFILES, reproduces } from "./reproduced.ts";

describe("exec", () => {
  it.each([...CORPUS.filter(({ kind }) => kind === "vfio" || kind === "kvm"), ...OTHER_PROFILES])(
    "reproduces every recording, also as another system: $kind $profile",
    (kind) => reproduces(kind, () => true),
  );
});
