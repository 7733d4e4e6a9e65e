import { expect } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { readTrace } from "../../../src/formats/recording/read-trace.ts";
import { TraceSource } from "../../../src/formats/trace/trace-source.ts";
import { lentPieces } from "../../helpers/input-forms.ts";
import type { Random } from "../../helpers/random.ts";

const CODES: readonly string[] = ["BAD_FILE", "UNSUPPORTED", "LIMIT_EXCEEDED", "BAD_ARGUMENT"];
const HOSTILE = [
  0n,
  1n,
  7n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  (1n << 63n) - 1n,
  (1n << 64n) - 1n,
];

/** Bytes and words of a file that are changed, pieces that are doubled or gone, and its end. */
function damage(bytes: Uint8Array, random: Random): Uint8Array {
  let damaged = bytes.slice();
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(damaged.length);
    const edit = random.below(8);
    if (edit < 2) damaged[at] = random.below(256);
    else if (edit === 2) damaged[at]! ^= 1 << random.below(8);
    else if (edit < 6) {
      const width = random.pick([2, 4, 8]);
      const value = random.below(4) === 0 ? BigInt(random.below(damaged.length)) : random.pick(HOSTILE);
      for (let i = 0; i < width && at + i < damaged.length; i++)
        damaged[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    } else if (edit === 6) damaged.copyWithin(at, random.below(damaged.length), random.below(damaged.length));
    else damaged = damaged.slice(0, random.below(damaged.length));
  }
  return damaged;
}

/** What reading ends with; anything but an `IommuError` fails the test. */
async function outcome(bytes: Uint8Array, isPiped: boolean): Promise<IommuError | undefined> {
  const source = new TraceSource("damaged", {
    qemu: () => {},
    linux: () => {},
    kernel: () => {},
    gap: () => {},
  });
  try {
    const opened = await openInput(isPiped ? lentPieces(bytes) : bytes, "damaged", 256);
    await readTrace(opened, source, { name: "damaged", truncated: () => {} });
    source.end();
    return undefined;
  } catch (error) {
    if (!(error instanceof IommuError)) throw error;
    return error;
  }
}

/**
 * Damages recordings so many times: each ends with what could be read, or with an error that says where and why, and takes
 * no memory.
 *
 * @param from which byte on they are damaged
 */
export async function damageRecordings(
  samples: readonly Uint8Array[],
  random: Random,
  rounds: number,
): Promise<void> {
  const wrong: string[] = [];
  let refused = 0;
  let peak = 0;
  const before = process.memoryUsage.rss();
  for (let round = 0; round < rounds; round++) {
    const damaged = damage(random.pick(samples), random);
    const start = performance.now();
    const error = await outcome(damaged, round % 4 === 0);
    const seconds = (performance.now() - start) / 1000;
    if (round % 100 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    if (seconds > 20) wrong.push(`round ${round}: ${seconds} s`);
    if (error === undefined) continue;
    refused++;
    const isPlaced =
      error.code === "BAD_ARGUMENT" || /byte \d+ \(0x|no event that is known/.test(error.message);
    if (!isPlaced || !CODES.includes(error.code)) wrong.push(`round ${round}: ${error}`);
  }
  expect(wrong).toEqual([]);
  expect(refused).toBeGreaterThan(rounds / 50);
  expect(refused).toBeLessThan(rounds);
  expect(peak - before).toBeLessThan(256 * 2 ** 20);
}
