import { describe, expect, it } from "vitest";
import { Random, rounds, runSeed } from "../../helpers/random.ts";
import { nameAgain } from "./names-again.ts";
import { makeDmaLines, makeQemuLine, openDmaLog, openQemuLog, readSideBySide } from "./side-by-side.ts";

const STEPS = rounds(1_000_000);

describe(`what a reader of logs remembers of lines before does not change a line, SEED=${runSeed()}`, () => {
  const random = new Random(runSeed());

  it("of QEMU", () => {
    expect(readSideBySide(openQemuLog, makeQemuLine, STEPS, random)).toEqual([]);
  });

  it("of Linux", () => {
    expect(readSideBySide(openDmaLog, makeDmaLines(random), STEPS, random)).toEqual([]);
  });

  it("nor the number of a name", () => {
    expect(nameAgain(STEPS, random)).toEqual([]);
  });
});
