import { expect, it } from "vitest";
import { runSeed } from "../helpers/random.ts";
import { CACHE_WALKS, walk } from "./cache-walks.ts";

const STEPS = 1_000_000;

it.each(Object.keys(CACHE_WALKS))("what was found last is what would be found, 10^6 steps: %s", (name) => {
  expect(walk(name, runSeed(), STEPS)).toBe(undefined);
});
