import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { ParquetParts } from "../../src/cli/table-files.ts";
import { RowBuffer } from "../../src/formats/table/row-buffer.ts";
import { query } from "../helpers/duckdb.ts";
import { scratchFolder } from "../helpers/scratch.ts";

const folder = scratchFolder();

it.each([
  { rows: 0, parts: 1 },
  { rows: 10, parts: 1 },
  { rows: 100, parts: 1 },
  { rows: 101, parts: 2 },
  { rows: 355, parts: 4 },
])(
  "$rows rows in parts of 100 are $parts files, and nothing is lost between them",
  async ({ rows, parts }) => {
    const place = path.join(folder, `of-${rows}`);
    mkdirSync(place);
    const columns = [
      { name: "number", type: "integer" },
      { name: "even", type: "boolean" },
      { name: "address", type: "address" },
    ] as const;
    const buffer = new RowBuffer(columns, new ParquetParts(place, columns, 100), undefined, 10);
    for (let i = 0; i < rows; i++) {
      buffer.setInteger(0, -i);
      if (i % 2 === 0) buffer.setBoolean(1, true);
      buffer.setHalves(2, 0xffff_ffff, i);
      buffer.endRow();
    }
    buffer.finish();
    expect(readdirSync(place).sort()).toEqual(Array.from({ length: parts }, (_, i) => `part-${i}.parquet`));
    const read = await query(`SELECT * FROM '${place}/*.parquet' ORDER BY address`);
    expect(read).toEqual(
      Array.from({ length: rows }, (_, i) => ({
        number: BigInt(-i),
        even: i % 2 === 0 ? true : null,
        address: 0xffff_ffff_0000_0000n + BigInt(i),
      })),
    );
  },
);
