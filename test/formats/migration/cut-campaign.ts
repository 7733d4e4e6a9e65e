import { expect, it } from "vitest";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { MigrationSource } from "../../../src/formats/migration/source.ts";
import { same } from "../../helpers/same.ts";
import { storedOf } from "../../tce/model.ts";
import { errorOf } from "./damage-campaign.ts";
import { smallStream } from "./small-stream.ts";
import { chunksOf, fileOf } from "./sources.ts";

export const tablesOf = async (source: MigrationSource) =>
  (await readMigration(source)).windows.map(({ liobn, table }) => [
    liobn,
    table === null ? [] : storedOf(table),
  ]);

/** @param step between the places where it is cut; the long run has all */
export function cutSmallMachine(step: number): void {
  const bytes = smallStream();
  const tables = [
    [
      0x8000_0000,
      [
        [1, 0x1003n],
        [2, 0x2003n],
      ],
    ],
    [0x8000_0001, [[0, 0x1_0003n]]],
  ];

  it("is read the same from a file, twice from a factory and once from a pipe, cut anywhere", async () => {
    expect(await tablesOf(fileOf(bytes))).toEqual(tables);
    for (const size of [1, 2, 3, 4, 5, 7, 8, 11, 16, 23, 39]) {
      expect(await tablesOf(() => chunksOf(bytes, () => size))).toEqual(tables);
      expect(await tablesOf(chunksOf(bytes, () => size))).toEqual(tables);
    }
    for (let cut = 0; cut <= bytes.length; cut += step) {
      let first = true;
      const sizes = () => {
        const size = first ? cut : bytes.length;
        first = false;
        return size;
      };
      expect(await tablesOf(chunksOf(bytes, sizes))).toEqual(tables);
    }
  });

  it("ends with an error at the offset of the end, wherever it is cut", async () => {
    // From the end of the sections on QEMU loads it, and their framing is all there is to go by.
    const whole = bytes.lastIndexOf(6);
    for (let length = 0; length < bytes.length; length += step) {
      const cut = bytes.subarray(0, length);
      for (const source of [fileOf(cut), chunksOf(cut, () => 7)]) {
        const error = await errorOf(source);
        const where = (): string => `cut to ${length} bytes`;
        same(error?.code, length >= whole ? undefined : "BAD_FILE", where);
        same(error?.details.offset, length >= whole ? undefined : length, where);
      }
    }
  });
}
