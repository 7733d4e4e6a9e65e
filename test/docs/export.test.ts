import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { DMA_MAPPING_COLUMNS } from "../../src/check/lifetimes/linux-rows.ts";
import { MAPPING_COLUMNS } from "../../src/check/lifetimes/qemu-rows.ts";
import { DMA_COLUMNS } from "../../src/formats/table/dma-rows.ts";
import { EVENT_COLUMNS } from "../../src/formats/table/event-rows.ts";
import { type Column, RUN_COLUMN } from "../../src/formats/table/row-buffer.ts";
import { cli } from "../cli/cli.ts";
import { query } from "../helpers/duckdb.ts";
import { blocksOf, readDocument } from "../helpers/markdown.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { leakTrace } from "./leak-trace.ts";

const TRACES = path.resolve(import.meta.dirname, "../corpus/traces");
const folder = scratchFolder();
const TABLES: Record<string, readonly Column[]> = {
  EVENT_COLUMNS,
  MAPPING_COLUMNS,
  DMA_COLUMNS,
  DMA_MAPPING_COLUMNS,
};

/** Runs a statement of the document on the files of this test. */
const run = (sql: string): Promise<Record<string, unknown>[]> =>
  query(sql.replace(/'([\w-]+(?:\.parquet|\/\*\/\*\.parquet))'/g, (_, file) => `'${folder}/${file}'`));

const statement = (part: string): string => {
  const found = blocksOf("export.md").filter(
    ({ language, text }) => language === "sql" && text.includes(part),
  );
  expect(found.length).toBe(1);
  return found[0]!.text;
};

describe("docs/export.md", () => {
  beforeAll(async () => {
    const dma = path.join(TRACES, "dma-ppc64le-linux612-planted.txt.gz");
    const calls = path.join(TRACES, "faults-stray-dma-e1000-nvme-linux61.log.gz");
    for (const args of [
      [calls, `${folder}/events.parquet`],
      ["--table", "mappings", leakTrace(folder), `${folder}/mappings.parquet`],
      [dma, `${folder}/dma.parquet`],
      ["--table", "mappings", dma, `${folder}/dma-mappings.parquet`],
      [calls, `${folder}/runs/`],
      ["--run", "leak", leakTrace(folder), `${folder}/runs/`],
    ]) {
      const { status, stderr } = await cli(["convert", ...args]);
      expect(status, stderr).toBe(0);
    }
  });

  it.each(Object.keys(TABLES))("names every column of %s, with its type", (name) => {
    const table = readDocument("export.md").split(`<!-- columns: ${name} -->`)[1]!.split(/\n\n/)[1]!;
    const documented = table
      .split("\n")
      .slice(2)
      .map((row) => row.split("|").map((cell) => cell.trim()))
      .map(([, column, type]) => ({ name: column, type }));
    expect(documented).toEqual([...TABLES[name]!, RUN_COLUMN]);
  });

  it.each(blocksOf("export.md").filter(({ language }) => language === "sql"))(
    "has a query that finds something, line $line",
    async ({ text }) => {
      expect((await run(text)).length).toBeGreaterThan(0);
    },
  );

  it("answers which call patterns leak: the planted one first", async () => {
    const [first, ...rest] = await run(statement("AS stale"));
    expect(first).toMatchObject({
      liobn: "0x80000000",
      map_call: "indirect",
      map_pages: 4n,
      page_shift: 12n,
    });
    expect(first).toMatchObject({ stale: 1n, first_line: 15_000n });
    expect(rest.length).toBeGreaterThan(0);
    for (const pattern of rest) expect(pattern.stale, "queues of the driver are no leaks").toBe(0n);
  });

  it("reads many runs as one table", async () => {
    const rows = await run(statement("hive_partitioning"));
    expect(rows.map((row) => [row.run, Number(row.events)])).toEqual([
      ["faults-stray-dma-e1000-nvme-linux61", 1623],
      ["leak", 44_625],
    ]);
  });
});
