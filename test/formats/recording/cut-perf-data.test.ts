import { describe, expect, it } from "vitest";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";
import { readCorpus } from "../../helpers/corpus.ts";

/** What perf wrote to a pipe: 47 events in one round, of whose unmaps another CPU did many. */
const WHOLE = readCorpus("recordings", "72-perf-pipe.data");
/** Its first sample, and the end of the last one: the record that ends the round. */
const SAMPLES = [81_872, 89_184] as const;

describe("a perf.data that is cut within a round", () => {
  it("has no finding but that: what other CPUs did meanwhile is missing", async () => {
    // Records have multiples of 8 bytes: none of these cuts lies between two.
    for (let end = SAMPLES[0] + 4; end < SAMPLES[1] + 8; end += 408) {
      const { findings, events } = await checkTrace(WHOLE.subarray(0, end));
      expect(findings.map(({ kind }) => kind)).toEqual(["truncated"]);
      expect(findings[0]!.message).toMatch(/; \d+ records? before that left out/);
      expect(events).toBe(0);
    }
  });

  it("is no less cut between two records", async () => {
    const view = new DataView(WHOLE.buffer, WHOLE.byteOffset);
    let cuts = 0;
    // A record: type, flags, and at 6 the bytes it has.
    for (let at: number = SAMPLES[0]; at < SAMPLES[1]; at += view.getUint16(at + 6, true), cuts++) {
      if (cuts === 0 || cuts % 7 !== 0) continue;
      const { findings, events } = await checkTrace(WHOLE.subarray(0, at));
      expect(findings.map(({ kind }) => kind)).toEqual(["truncated"]);
      expect(findings[0]!.message).toMatch(
        /the recording ends here, within a round of perf's.*; \d+ records? before/,
      );
      expect(events).toBe(0);
    }
    expect(cuts).toBeGreaterThan(47);
  });

  it("is whole up to the end of a round", async () => {
    const { findings, events } = await checkTrace(Uint8Array.of(...WHOLE, 1, 2, 3));
    expect(findings.map(({ message }) => message)).toEqual([
      "perf.data, byte 89192 (0x15c68): the file ends here, within its records",
    ]);
    expect(events).toBe(47);
  });
});
