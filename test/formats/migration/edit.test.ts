import { describe, expect, it } from "vitest";
import { editMigration } from "../../../src/formats/migration/edit.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { withTable } from "../../../src/formats/migration/tce-section-writer.ts";
import type { SavedTable } from "../../../src/spapr/saved-table.ts";
import { TceTable } from "../../../src/tce/tce-table.ts";
import fc from "../../helpers/fast-check.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { sameBytes } from "../../helpers/same.ts";
import { times } from "../../helpers/some.ts";
import { storedOf } from "../../tce/model.ts";
import { HEADER, section, smallStream, tceData } from "./small-stream.ts";
import { anySize, chunksOf, fileOf, joined, recordedStream } from "./sources.ts";

const NAME = "pgsz-256m-linux61--pgsz-256m";
const DEFAULT = 0x8000_0000;
const HUGE = 0x8000_0001;

const ascii = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The JSON at the end of a stream, and the stream without it and the length before it. */
function split(bytes: Uint8Array): { body: string; json: string } {
  const text = ascii(bytes);
  const at = text.lastIndexOf('{"page_size": 4096');
  expect(new DataView(bytes.buffer, bytes.byteOffset).getUint32(at - 4)).toBe(bytes.length - at);
  return { body: text.slice(0, at - 4), json: text.slice(at) };
}

describe("editing a recorded stream", () => {
  const bytes = recordedStream(NAME);
  const before = split(bytes);

  /** Edits, and reads the result back. */
  async function edited(sections: readonly SavedTable[]) {
    const stream = await readMigration(fileOf(bytes));
    const out = await joined(editMigration(fileOf(bytes), stream, sections));
    return { out, stream: await readMigration(fileOf(out)) };
  }

  it("changes the eight bytes of an entry, and nothing else", async () => {
    const [window] = (await readMigration(fileOf(bytes))).windows;
    for (const index of [0, 1, 777, 262_143]) {
      const table = TceTable.from(window!.table!);
      table.set(index, 0x0123_4567_89ab_cdefn);
      const { out } = await edited([withTable(window!, table)]);
      const expected = bytes.slice();
      new DataView(expected.buffer).setBigUint64(window!.tableOffset + 8 * index, 0x0123_4567_89ab_cdefn);
      expect(Buffer.compare(out, expected)).toBe(0);
    }
  });

  it.each([
    {
      name: "longer",
      length: 1000,
      field: '{"name": "mig_table", "array_len": 1000, "type": "uint64", "size": 8}, ',
    },
    { name: "of one entry", length: 1, field: '{"name": "mig_table", "type": "uint64", "size": 8}, ' },
    { name: "empty", length: 0, field: "" },
  ])("puts a table that is $name in place of another; the description follows", async ({ length, field }) => {
    const window = (await readMigration(fileOf(bytes))).windows[1]!;
    const table = length === 0 ? null : new TceTable({ length, pageShift: 28 });
    table?.set(length - 1, 0x3000_0003n);
    const { out, stream } = await edited([withTable(window, table)]);

    const after = split(out);
    const oldField = '{"name": "mig_table", "array_len": 4, "type": "uint64", "size": 8}, ';
    expect(after.json).toBe(before.json.replace(oldField, field));
    const { dataOffset, dataLength } = window.section;
    expect(after.body.slice(0, dataOffset)).toBe(before.body.slice(0, dataOffset));
    expect(after.body.slice(dataOffset + dataLength + 8 * (length - 4))).toBe(
      before.body.slice(dataOffset + dataLength),
    );
    const { entries, table: read, geometry } = stream.windows[1]!;
    expect(entries).toBe(length);
    expect(read === null ? [] : storedOf(read)).toEqual(length === 0 ? [] : [[length - 1, 0x3000_0003n]]);
    expect(geometry).toEqual(
      length === 0 ? { busOffset: 0n, pageShift: 0 } : { busOffset: 1n << 59n, pageShift: 28 },
    );
  });

  it("gives the default window a subsection when it gets other pages, and takes it away again", async () => {
    const window = (await readMigration(fileOf(bytes))).windows[0]!;
    const { out, stream } = await edited([withTable(window, new TceTable({ length: 16, pageShift: 16 }))]);
    expect(stream.windows[0]!.geometry).toEqual({ busOffset: 0n, pageShift: 16 });
    const back = await joined(editMigration(fileOf(out), stream, [window]));
    expect(Buffer.compare(back, bytes)).toBe(0);
  });

  it("refuses sections that do not belong into it, and another source", async () => {
    const stream = await readMigration(fileOf(bytes));
    const [window, other] = stream.windows;
    for (const sections of [
      [{ ...withTable(window!, null), liobn: 7 }],
      [{ ...withTable(window!, null), version: 2 as const, defWin: null }],
      [other!, window!, other!],
      [window!, { ...other!, defWin: null }],
      [window!, { ...other!, geometry: null }],
    ]) {
      // Before the first byte is written.
      await expect(editMigration(fileOf(bytes), stream, sections).next()).rejects.toMatchObject({
        code: "BAD_ARGUMENT",
      });
    }
    const shorter = fileOf(bytes.subarray(0, bytes.length - 1));
    await expect(joined(editMigration(shorter, stream, [window!]))).rejects.toMatchObject({
      code: "BAD_ARGUMENT",
    });
  });
});

it("edits of tables come back as they were made, and undo themselves", async () => {
  const random = new Random(runSeed());
  // The small stream has a description that is not in QEMU's spelling; this one has none at all.
  const bytes = Uint8Array.from([
    ...HEADER,
    ...section(4, 1, "spapr_iommu", DEFAULT, 3, tceData(DEFAULT, [1n, 2n, 3n], true, null)),
    ...section(4, 2, "timer", 0, 1, [1, 2, 3]),
    ...section(4, 3, "spapr_iommu", HUGE, 3, tceData(HUGE, [], false, [0n, 0])),
    0,
  ]);
  const entry = fc.tuple(fc.nat({ max: 19_999 }), fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }));
  const anyTable = fc.option(
    fc.record({
      length: fc.integer({ min: 1, max: 20_000 }),
      shift: fc.constantFrom(12, 16, 24),
      puts: fc.array(entry),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anyTable, { maxLength: 2 }), async (wanted) => {
      const stream = await readMigration(fileOf(bytes));
      const tables = wanted.map((table) => {
        if (table === null) return null;
        const made = new TceTable({ length: table.length, pageShift: table.shift });
        for (const [index, value] of table.puts) if (index < table.length) made.set(index, value);
        return made;
      });
      const sections = tables.map((table, i) => withTable(stream.windows[i]!, table, BigInt(i) << 59n));
      const out = await joined(editMigration(() => chunksOf(bytes, anySize(random)), stream, sections));
      const read = await readMigration(fileOf(out));
      for (const [i, table] of tables.entries()) {
        const found = read.windows[i]!.table;
        expect(found?.length).toBe(table?.length);
        if (table !== null) expect(storedOf(found!)).toEqual(storedOf(table));
      }
      const back = await joined(editMigration(() => chunksOf(out, anySize(random)), read, stream.windows));
      sameBytes(back, bytes);
    }),
    { seed: random.seed, numRuns: times(5, 15) },
  );
});

it("does not respell a description that QEMU did not write", async () => {
  const bytes = smallStream();
  const stream = await readMigration(fileOf(bytes));
  const [window] = stream.windows;
  const same = TceTable.from(window!.table!);
  same.set(0, 0x5003n);
  const out = await joined(editMigration(fileOf(bytes), stream, [withTable(window!, same)]));
  expect((await readMigration(fileOf(out))).windows[0]!.table!.get(0)).toBe(0x5003n);
  await expect(
    joined(editMigration(fileOf(bytes), stream, [withTable(window!, null)])),
  ).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
});
