import { expect, it } from "vitest";
import { readCorpus } from "../helpers/corpus.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { checkTrace } from "./checked.ts";

/** Small recordings of each format. */
const SOURCES = [
  "migration-destination-virtio-e1000-linux61.log",
  "pgsz-256m-linux61.log",
  "nvdimm-window-2pow51-linux61.log",
  "dma-ppc64le-linux612-biglist-planted.txt",
  "dma-x86-linux612-vtd-strict-planted.txt",
];
const INPUTS = 1500;

/** Other digits in other numbers: whatever a line says, it is a line. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const out = bytes.slice(0, 20_000 + random.below(40_000));
  const digits = new TextEncoder().encode("0123456789abcdef");
  for (let i = 1 + random.below(30); i > 0; i--) {
    const at = random.below(out.length);
    const isDigit = digits.includes(out[at]!);
    out[at] = isDigit ? random.pick([...digits]) : random.below(4) === 0 ? random.below(256) : out[at]!;
  }
  return out;
}

it(`survives ${INPUTS} damaged traces, and counts every mismatch`, () => {
  const random = new Random(runSeed());
  const sources = SOURCES.map((name) => readCorpus("traces", name));
  for (let i = 0; i < INPUTS; i++) {
    const input = mutate(random.pick(sources), random);
    try {
      const { findings, mismatches } = checkTrace(input);
      const told = findings.filter(({ kind, liobn }) => kind === "mismatch" && liobn !== undefined);
      expect(told.length).toBe(Math.min(mismatches, 1000));
    } catch (error) {
      throw new Error(`seed ${random.seed}, input ${i}: ${(error as Error).stack}`);
    }
  }
});
