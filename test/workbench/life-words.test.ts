import { expect, it } from "vitest";
import { lifeWords } from "../../src/workbench/life-words.ts";
import type { LifeLines } from "../../src/workbench/protocol.ts";

it.each([
  { counts: [1], ends: [Infinity], words: "1 mapping of a, 1 does not end" },
  { counts: [1], ends: [7], words: "1 mapping of a, 0 do not end" },
  { counts: [2, 1500], ends: [7, Infinity], words: "1,502 mappings of a, 1,500 do not end" },
])("$words", ({ counts, ends, words }) => {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const lines = {
    all,
    count: counts.length,
    counts: Float64Array.from(counts),
    ends: Float64Array.from(ends),
  };
  expect(lifeWords(lines as unknown as LifeLines, "a")).toBe(words);
});
