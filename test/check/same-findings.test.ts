import { describe, expect, it } from "vitest";
import { runSeed } from "../helpers/random.ts";
import { some } from "../helpers/some.ts";
import { caseLines, differenceWith, findTheSame } from "./same-findings-campaign.ts";

it(`texts that were printed, mailed, logged or made elsewhere have the same findings, SEED=${runSeed()}`, () => {
  findTheSame(runSeed(), 1, false);
});

describe.each([
  ["a tab", "\t", 0],
  ["three blanks", "   ", 1],
])("%s in place of the blanks between words", (_name, gap, first) => {
  const CASES = [
    "03-faults.dmesg",
    "22-iommu-events-only.txt",
    "31-double-free-eeh.txt",
    "32-ddw.dmesg",
    "arm64-72-smmuv3.txt.gz",
    "06-pending-32-coherent.txt",
    "72-percpu-trace-cpu0-wrapped.txt.gz",
    "612-two-buffers-report.txt.gz",
    "epoch-times.log",
    "trace-cmd316-two-files-debug.txt.gz",
    "trace-cmd316-stack.txt.gz",
  ];
  // Each gap in every other one; the long run has both in all.
  const taken = [...CASES.slice(first), ...CASES.slice(0, first)];
  it.each(some(taken, 2))("changes nothing in what is found in %s", (name) => {
    expect(differenceWith(caseLines(name), (line) => line.replace(/ +/g, gap))).toBeUndefined();
  });
});
