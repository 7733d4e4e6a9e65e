import { expect } from "vitest";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";
import { Random } from "../../helpers/random.ts";
import { plantFaults } from "./fault-planter.ts";

/** Plants faults, failures, leaks and bounces in recordings: each is found, with its lines, and nothing else is. */
export async function findPlantedFaults(seed: number, recordings: number): Promise<void> {
  const random = new Random(seed);
  let all = 0;
  for (let i = 0; i < recordings; i++) {
    const { text, log, planted, bounced } = plantFaults(random);
    all += planted.length;
    const report = await checkTrace(text, { kernelLog: log });
    const place = `SEED=${seed}, recording ${i}`;
    const byLine = (a: { lines: readonly number[] }, b: { lines: readonly number[] }): number =>
      (a.lines[0] ?? 0) - (b.lines[0] ?? 0);
    const found = [...report.findings].sort(byLine);
    const expected = [...planted].sort(byLine);
    const short = ({ kind, device, count, lines }: (typeof expected)[number]) => ({
      kind,
      device,
      count,
      lines,
    });
    expect(
      found.map(({ kind, device, count, lines }) => ({ kind, device, count, lines })),
      place,
    ).toEqual(expected.map(short));
    expected.forEach(({ message, caller }, at) => {
      expect(found[at]!.message, place).toMatch(message);
      expect(found[at]!.stack[0]?.frames[0], place).toBe(caller);
    });
    const buffers = report.bounced.filter(({ direction }) => direction === "TO_DEVICE");
    expect(
      buffers.reduce((sum, { count }) => sum + count, 0),
      place,
    ).toBe(bounced);
  }
  console.log(`${all} planted faults in ${recordings} recordings, SEED=${seed}: all found, and nothing else`);
  expect(all).toBeGreaterThan(recordings);
}
