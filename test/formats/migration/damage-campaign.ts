import { expect } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { MigrationSource } from "../../../src/formats/migration/source.ts";
import type { ReadOptions } from "../../../src/formats/migration/stream.ts";
import { Random } from "../../helpers/random.ts";
import { be, smallStream } from "./small-stream.ts";
import { anySize, chunksOf, fileOf } from "./sources.ts";

/** The error that a source ends with, or undefined; anything but an IommuError fails the test. */
export async function errorOf(
  source: MigrationSource,
  options?: ReadOptions,
): Promise<IommuError | undefined> {
  try {
    await readMigration(source, options);
    return undefined;
  } catch (error) {
    if (!(error instanceof IommuError)) throw error;
    return error;
  }
}

const CODES: readonly string[] = ["BAD_FILE", "UNSUPPORTED", "LIMIT_EXCEEDED"];

/** Damages a small stream so many times: it ends with a stream, or with offset and reason, and takes no memory. */
export async function damageStream(seed: number, rounds: number): Promise<void> {
  const bytes = smallStream();
  const random = new Random(seed);
  const wrong: string[] = [];
  let refused = 0;
  let peak = 0;
  const before = process.memoryUsage.rss();
  for (let round = 0; round < rounds; round++) {
    const damaged = bytes.slice();
    for (let times = 1 + random.below(3); times > 0; times--) {
      const at = random.below(damaged.length);
      if (random.below(2) === 0) damaged[at] = random.below(256);
      else
        damaged.set(
          be(4, random.pick([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])).slice(0, damaged.length - at),
          at,
        );
    }
    const source = round % 2 === 0 ? fileOf(damaged) : chunksOf(damaged, anySize(random));
    const error = await errorOf(source, { indexRam: true, ramPageLimit: 1024 });
    if (round % 1000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    if (error === undefined) continue;
    refused++;
    const isPlaced = /^migration stream, byte \d+/.test(error.message);
    const isInside = Number(error.details.offset) <= damaged.length + 5;
    if (!isPlaced || !isInside || !CODES.includes(error.code)) wrong.push(`round ${round}: ${error}`);
  }
  expect(wrong, `SEED=${seed}`).toEqual([]);
  expect(refused).toBeGreaterThan(rounds / 4);
  expect(peak - before, `SEED=${seed}`).toBeLessThan(200 * 2 ** 20);
}
