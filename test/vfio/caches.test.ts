import { expect, it } from "vitest";
import { CACHE_WALKS, walk } from "./cache-walks.ts";

/** Seeds of every run; the campaign beside this file takes new ones. */
const SEEDS = [1, 2, 3, 4];
const STEPS = 2_500;

it.each(Object.keys(CACHE_WALKS))("what was found last is what would be found: %s", (name) => {
  for (const seed of SEEDS) expect(walk(name, seed, STEPS)).toBe(undefined);
});
