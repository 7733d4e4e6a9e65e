import { describe, expect, it } from "vitest";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { tceSectionData } from "../../../src/formats/migration/tce-section-writer.ts";
import type { SavedTable } from "../../../src/spapr/saved-table.ts";
import { TceTable } from "../../../src/tce/tce-table.ts";
import fc from "../../helpers/fast-check.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { times } from "../../helpers/some.ts";
import { storedOf } from "../../tce/model.ts";
import { be, CONFIGURATION, footer, HEADER, section, tceData } from "./small-stream.ts";
import { anySize, chunksOf, fileOf } from "./sources.ts";

const LIOBN = 0x8000_0001;
/** Offset of the section's data in {@link streamOf}: header, configuration and the section's own head lie before it. */
const DATA_AT = 8 + (1 + 4 + 11) + (1 + 4 + 1 + 11 + 4 + 4);

/** A stream that holds one TCE section, and no description. */
const streamOf = (data: Iterable<number>, version = 3, liobn = LIOBN): Uint8Array =>
  Uint8Array.from([
    ...HEADER,
    ...CONFIGURATION,
    ...section(4, 5, "spapr_iommu", liobn, version, [...data]),
    0,
  ]);

const written = (state: SavedTable): number[] => [...tceSectionData(state)].flatMap((piece) => [...piece]);

const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

/** Entries as guests make them: gaps, repeated values, linear stretches of some page size, anything. */
const anyEntries: fc.Arbitrary<bigint[]> = fc
  .array(
    fc.tuple(
      fc.constantFrom(0n, 1n, 0x1000n, 0x1_0000n, 0x100_0000n),
      fc.oneof(fc.constant(0n), fc.constant(3n), u64),
      fc.integer({ min: 1, max: 40 }),
    ),
    { maxLength: 12 },
  )
  .map((stretches) =>
    stretches.flatMap(([step, start, count]) =>
      Array.from({ length: count }, (_, i) => BigInt.asUintN(64, start + BigInt(i) * step)),
    ),
  );

const anyState = fc.record({
  entries: anyEntries,
  version: fc.constantFrom<2 | 3>(2, 3),
  bypass: fc.boolean(),
  defWin: fc.boolean(),
  geometry: fc.option(fc.tuple(u64, fc.constantFrom(0, 12, 16, 24, 28, 34, 63))),
});

function tableOf(entries: readonly bigint[], pageShift: number): TceTable | null {
  if (entries.length === 0) return null;
  const table = new TceTable({ length: entries.length, pageShift });
  for (const [index, entry] of entries.entries()) table.set(index, entry);
  return table;
}

describe("a spapr_iommu section", () => {
  it("is written as its layout says and comes back, in chunks of any size", async () => {
    const random = new Random(runSeed());
    await fc.assert(
      fc.asyncProperty(anyState, async ({ entries, version, bypass, defWin, geometry }) => {
        const state: SavedTable = {
          liobn: LIOBN,
          version,
          bypass,
          table: tableOf(entries, geometry?.[1] ?? 12),
          defWin: version === 2 ? null : defWin,
          geometry: geometry === null ? null : { busOffset: geometry[0], pageShift: geometry[1] },
        };
        const data = written(state);
        const expected = tceData(LIOBN, entries, state.defWin, geometry);
        expected[8] = Number(bypass);
        expect(data).toEqual(expected);

        const stream = await readMigration(chunksOf(streamOf(data, version), anySize(random)));
        const { table, section: _, entries: count, tableOffset: __, ...rest } = stream.windows[0]!;
        const { table: ___, ...stateWithoutTable } = state;
        expect(rest).toEqual(stateWithoutTable);
        expect(count).toBe(entries.length);
        expect(table?.pageShift).toBe(entries.length === 0 ? undefined : (geometry?.[1] ?? 12));
        const model = [...entries.entries()].filter(([, value]) => value !== 0n);
        expect(table === null ? [] : storedOf(table), `chunks of seed ${random.seed}`).toEqual(model);
      }),
      { seed: random.seed, numRuns: times(25, 100) },
    );
  });

  it("reads a window of 64K pages that is mapped linearly as one run", async () => {
    const entries = Array.from({ length: 5000 }, (_, i) => BigInt(i) * 0x1_0000n + 3n);
    const stream = await readMigration(fileOf(streamOf(tceData(LIOBN, entries, false, [1n << 59n, 16]))), {
      tableByteLimit: 300,
    });
    const runs: number[][] = [];
    stream.windows[0]!.table!.forEachStoredRun(0, 5000, (...run) => runs.push(run));
    expect(runs).toEqual([[0, 5000, 0, 3, 1]]);
  });

  it("reads an empty window of 2^28 entries, 2 GiB, into nothing", async () => {
    const length = 2 ** 28;
    const head = streamOf([...be(4, LIOBN), ...be(4, length), 0]).subarray(0, DATA_AT + 9);
    const end = Uint8Array.from([0, ...footer(5), 0]);
    const tableEnd = head.length + length * 8;
    const zeros = new Uint8Array(2 ** 20);
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield head;
      for (let at = 0; at < length * 8; at += zeros.length) yield zeros;
      yield end;
    }
    const before = process.memoryUsage();
    const stream = await readMigration(chunks());
    const after = process.memoryUsage();
    expect(stream.length).toBe(tableEnd + end.length);
    expect(stream.windows[0]).toMatchObject({ entries: length, tableOffset: head.length });
    expect(stream.windows[0]!.table!.root).toBeNull();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20);
  });

  it("refuses tables that take more memory than allowed, also if that shows only when the page size turns out to be another", async () => {
    const scattered = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 3n : 0n));
    const linear = Array.from({ length: 100 }, (_, i) => BigInt(i) * 0x1_0000n + 3n);
    for (const data of [
      tceData(LIOBN, scattered, false, null),
      tceData(LIOBN, linear, false, [1n << 59n, 24]),
    ]) {
      await readMigration(fileOf(streamOf(data)), { tableByteLimit: 4900 });
      await expect(readMigration(fileOf(streamOf(data)), { tableByteLimit: 4500 })).rejects.toMatchObject({
        code: "LIMIT_EXCEEDED",
        message: expect.stringMatching(/byte \d+/),
      });
    }
  });

  it.each([
    { name: "another LIOBN than the section's", data: tceData(5, [], true, null), at: 0 },
    { name: "a bypass of 2", data: [...be(4, LIOBN), ...be(4, 0), 2, 0], at: 8 },
    { name: "a def_win of 255", data: [...be(4, LIOBN), ...be(4, 0), 0, 255], at: 9 },
    { name: "a page shift of 64", data: tceData(LIOBN, [], true, [0n, 64]), at: 10 + 28 },
    { name: "entries that do not come", data: [...be(4, LIOBN), ...be(4, 0xffff_ffff), 0], at: 9 + 6 },
  ])("refuses $name, with the offset", async ({ data, at }) => {
    await expect(readMigration(fileOf(streamOf(data)))).rejects.toMatchObject({
      code: "BAD_FILE",
      details: { offset: DATA_AT + at },
    });
  });

  it("refuses a subsection and a version that it does not know", async () => {
    const other = tceData(LIOBN, [], true, [0n, 12]);
    other[other.length - 17] = 0x79;
    await expect(readMigration(fileOf(streamOf(other)))).rejects.toMatchObject({ code: "UNSUPPORTED" });
    const newer = streamOf(tceData(LIOBN, [], true, null), 4);
    await expect(readMigration(fileOf(newer))).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });

  it.each<{ name: string; change: Partial<SavedTable> }>([
    { name: "def_win in version 2", change: { version: 2 } },
    { name: "no def_win in version 3", change: { defWin: null } },
    { name: "a LIOBN of 33 bits", change: { liobn: 2 ** 32 } },
    { name: "a table of another page size", change: { geometry: { busOffset: 0n, pageShift: 16 } } },
    { name: "a negative bus offset", change: { geometry: { busOffset: -1n, pageShift: 12 } } },
    { name: "2^32 entries", change: { table: new TceTable({ length: 2 ** 32, pageShift: 12 }) } },
  ])("does not write $name", ({ change }) => {
    const state: SavedTable = {
      liobn: LIOBN,
      version: 3,
      bypass: false,
      table: tableOf([3n], 12),
      defWin: true,
      geometry: null,
    };
    expect(written(state)).toHaveLength(18);
    expect(() => written({ ...state, ...change })).toThrow(expect.objectContaining({ code: "BAD_ARGUMENT" }));
  });
});
