import { describe, expect, it } from "vitest";
import { Random, runSeed } from "../../helpers/random.ts";
import { nameAgain } from "./names-again.ts";
import { makeDmaLines, makeQemuLine, openDmaLog, openQemuLog, readSideBySide } from "./side-by-side.ts";

describe(`what a reader of logs remembers of lines before does not change a line, SEED=${runSeed()}`, () => {
  const random = new Random(runSeed());

  it("of QEMU", () => {
    expect(readSideBySide(openQemuLog, makeQemuLine, 1_500, random)).toEqual([]);
  });

  it("of Linux", () => {
    expect(readSideBySide(openDmaLog, makeDmaLines(random), 750, random)).toEqual([]);
  });

  it("nor the number of a name", () => {
    expect(nameAgain(4_000, random)).toEqual([]);
  });
});
