import { describe, expect, it } from "vitest";
import { Random, runSeed } from "../../helpers/random.ts";
import { findAgain, knowAgain } from "./cached-windows.ts";

const STEPS = 8_000;

describe(`what rebuilt windows remember is what is there, SEED=${runSeed()}`, () => {
  it("the window found last", () => {
    expect(findAgain(STEPS, new Random(runSeed()))).toEqual([]);
  });

  it("which entries are known", () => {
    expect(knowAgain(STEPS, new Random(runSeed()))).toEqual([]);
  });
});
