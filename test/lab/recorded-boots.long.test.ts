import { describe, expect, it } from "vitest";
import { BOOTS, compareBoot, NOT_FOLLOWED } from "./recorded-boots.ts";

describe("Linux as a guest, in every recorded boot", () => {
  it.each(BOOTS.filter(([, name]) => !(name in NOT_FOLLOWED)))(
    "sets up its windows as recorded: %s, %s",
    { timeout: 600_000 },
    (kind, name) => {
      expect(compareBoot(kind, name).comparison.difference).toBeUndefined();
    },
  );

  it.each(Object.keys(NOT_FOLLOWED))("is not followed: %s", (name) => {
    expect(compareBoot("traces", name).comparison.difference).toBeDefined();
  });
});
