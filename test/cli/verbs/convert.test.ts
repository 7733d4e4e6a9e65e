import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readCorpus, readCorpusHead } from "../../helpers/corpus.ts";
import { query } from "../../helpers/duckdb.ts";
import { some, times } from "../../helpers/some.ts";
import { cli } from "../cli.ts";
import { MAIN, until } from "../processes.ts";
import {
  compareForms,
  convert,
  convertBack,
  csvRows,
  inFolder,
  jsonRows,
  LOGS,
  type Row,
  stopBySignal,
  TABLES,
  trace,
  writeHead,
} from "./converted.ts";

const LOG = "nvme-e1000-1g-linux61.log";
/** A packed log whose middle is damaged. */
const damaged = gzipSync(readCorpusHead("traces", LOG, 400_000));
damaged.fill(0xff, damaged.length >> 1, (damaged.length >> 1) + 100);

describe("convert", () => {
  it.each(LOGS)("to text and back to QEMU's own lines: %s", (name) =>
    convertBack(name, times(25_000, Infinity)),
  );

  it("gives the same events from simpletrace as from the log of the same run", async () => {
    const name = "simple-nvme-e1000-1g-linux61";
    // The long run converts both to their ends.
    const bytes = times(400_000, Infinity);
    await convert(writeHead(`${name}.simple`, bytes), inFolder("simple.jsonl"));
    await convert(writeHead(`${name}.log`, bytes), inFolder("log.jsonl"));
    const strip = ({ line, offset, time_ns, thread, run, ...rest }: Row): Row => rest;
    const simple = jsonRows(inFolder("simple.jsonl"));
    const log = jsonRows(inFolder("log.jsonl"));
    const textOf = (row: Row): string => JSON.stringify(strip(row));
    const both = times(Math.min(simple.length, log.length), simple.length);
    expect(both).toBeGreaterThan(1000);
    expect(simple.slice(0, both).map(textOf)).toEqual(log.slice(0, times(both, log.length)).map(textOf));
    expect(simple.every(({ time_ns, offset }) => BigInt(time_ns as string) > 0n && Number(offset) > 0)).toBe(
      true,
    );
  });

  it.each(some(TABLES, 2))(
    "writes Parquet that DuckDB and hyparquet read alike, and as JSON: $name $table",
    (table) => compareForms(table, times(120_000, Infinity)),
  );

  it("keeps every bit of 64", async () => {
    const values = [
      "0x0",
      "0xffffffffffffffff",
      "0x8000000000000000",
      "0x7fffffffffffffff",
      "0x20000000000001",
    ];
    const returns = ["-9223372036854775808", "9223372036854775807", "-4", "9007199254740993", "0"];
    const log = values.map(
      (value, i) => `spapr_iommu_pci_put liobn=0x80000000 ioba=${value} tce=${value} ret=${returns[i]}\n`,
    );
    writeFileSync(inFolder("bits.log"), log.join(""));
    for (const form of ["jsonl", "csv", "parquet"])
      await convert(inFolder("bits.log"), inFolder(`bits.${form}`));
    const json = jsonRows(inFolder("bits.jsonl"));
    expect(json.map(({ tce }) => tce)).toEqual(values);
    expect(json.map(({ ret }) => String(ret))).toEqual(returns);
    const csv = csvRows(inFolder("bits.csv"));
    expect(csv.map(({ ioba, ret }) => [ioba, ret])).toEqual(values.map((value, i) => [value, returns[i]]));
    const parquet = await query(`SELECT ioba, tce, ret FROM '${inFolder("bits.parquet")}'`);
    expect(parquet.map(({ ioba }) => ioba)).toEqual(values.map(BigInt));
    expect(parquet.map(({ ret }) => ret)).toEqual(returns.map(BigInt));
  });

  it("quotes text in CSV and escapes it in JSON", async () => {
    const run = 'a "b", c\\';
    await convert("--run", run, trace("pgsz-256m-linux61.log.gz"), inFolder("quoted.csv"));
    await convert("--run", run, trace("pgsz-256m-linux61.log.gz"), inFolder("quoted.jsonl"));
    const [row] = await query(
      `SELECT DISTINCT run FROM read_csv('${inFolder("quoted.csv")}', all_varchar = true)`,
    );
    expect(row).toEqual({ run });
    expect(jsonRows(inFolder("quoted.jsonl"))[0]!.run).toBe(run);
  });

  it("leaves no folder of a table that came to nothing, but one that was there", async () => {
    // The name of the folder in it is too long for the file system.
    const into = (table: string) =>
      cli(["convert", "--run", "x".repeat(300), trace("pgsz-256m-linux61.log.gz"), `${inFolder(table)}/`]);
    const { status, stderr } = await into("new-table");
    expect(stderr).toMatch(/ENAMETOOLONG/);
    expect(status).toBe(1);
    expect(existsSync(inFolder("new-table"))).toBe(false);
    mkdirSync(inFolder("old-table"));
    expect((await into("old-table")).status).toBe(1);
    expect(readdirSync(inFolder("old-table"))).toEqual([]);
  });

  it("adds runs to a partitioned table", async () => {
    const table = `${inFolder("runs")}/`;
    await convert(trace("faults-stray-dma-e1000-nvme-linux61.log.gz"), table);
    await convert("--run", "second", trace("pgsz-256m-linux61.log.gz"), table);
    const counts = `SELECT run, count(*)::INT AS events FROM read_parquet('${table}*/*.parquet', hive_partitioning = true) GROUP BY run ORDER BY run`;
    const expected = [
      { run: "faults-stray-dma-e1000-nvme-linux61", events: 1623 },
      { run: "second", events: 1285 },
    ];
    expect(await query(counts)).toEqual(expected);
    expect(readdirSync(inFolder("runs/run=second"))).toEqual(["part-0.parquet"]);

    const again = await cli(["convert", "--run", "second", trace("pgsz-256m-linux61.log.gz"), table]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain("run=second exists; --force overwrites it");
    await convert("--force", "--run", "second", trace("pgsz-256m-linux61.log.gz"), table);
    expect(await query(counts)).toEqual(expected);
    expect(readdirSync(inFolder("runs")).sort()).toEqual([
      "run=faults-stray-dma-e1000-nvme-linux61",
      "run=second",
    ]);
  });

  it("reads standard input", async () => {
    const log = gunzipSync(readFileSync(trace("pgsz-256m-linux61.log.gz")));
    const { status, stderr } = await cli(["convert", "-", inFolder("stdin.csv")], log);
    expect(status).toBe(0);
    expect(stderr).toContain("stdin -> ");
    expect(csvRows(inFolder("stdin.csv")).length).toBe(1285);
  });

  it("takes only what a filter takes", async () => {
    const linux = trace("dma-ppc64le-linux612-nvme-e1000.txt.gz");
    const file = inFolder("filtered.jsonl");
    const said = await convert(
      linux,
      file,
      "-F",
      'dma: device ~ "*:03.0" && size > 0x4000',
      "-F",
      "dma_free",
    );
    const rows = jsonRows(file);
    expect(said).toContain(`${rows.length} of 4,743 events (linux-dma)`);
    const all = inFolder("unfiltered.jsonl");
    await convert(linux, all);
    const expected = jsonRows(all).filter(
      ({ device, size }) => device === "0000:00:03.0" && (size as number) > 0x4000,
    );
    expect(rows).toEqual(expected.map((row) => ({ ...row, run: "dma-ppc64le-linux612-nvme-e1000" })));
    expect(rows.length).toBeGreaterThan(5);
    const puts = inFolder("puts.csv");
    await convert(trace("nvme-e1000-1g-linux61.log.gz"), puts, "-F", "pci_put: ioba < 0x200000");
    expect(csvRows(puts).length).toBeGreaterThan(10);
    for (const { name, ioba } of csvRows(puts)) {
      expect(name).toBe("spapr_iommu_pci_put");
      expect(Number(ioba)).toBeLessThan(0x200000);
    }
  });

  it.each([
    { name: "in the middle", share: 0.5 },
    { name: "in what its format is told by", share: 0.02 },
  ])("converts gzip data that ends early $name, and warns", async ({ share }) => {
    const log = "reboot-twice-nvme-e1000-linux61.log";
    const packed = gzipSync(readCorpus("traces", log));
    const cut = inFolder(`cut-${share}.log.gz`);
    writeFileSync(cut, packed.subarray(0, packed.length * share));
    const { status, stderr } = await cli(["convert", cut, inFolder(`cut-${share}.csv`)]);
    expect(stderr).toContain(`${cut}: warning: the gzip data ends early`);
    expect(status).toBe(3);
    const whole = inFolder(`whole-${share}.csv`);
    await convert(trace(`${log}.gz`), whole);
    const rows = csvRows(inFolder(`cut-${share}.csv`));
    expect(rows.length).toBeGreaterThan(20);
    const fields = ({ run: _run, ...rest }: Record<string, unknown>): unknown => rest;
    expect(rows.map(fields)).toEqual(csvRows(whole).slice(0, rows.length).map(fields));
  });

  it.each(["csv", "pftrace"])(
    "converts gzip data that is damaged up to there, and warns: %s",
    async (form) => {
      const file = inFolder("damaged.log.gz");
      writeFileSync(file, damaged);
      const { status, stderr } = await cli(["convert", "--force", file, inFolder(`damaged.${form}`)]);
      expect(stderr).toMatch(
        /damaged\.log\.gz: warning: the gzip data is damaged (?:at or after|before) byte \d+ of it/,
      );
      expect(status).toBe(3);
      if (form === "csv") expect(csvRows(inFolder("damaged.csv")).length).toBeGreaterThan(1000);
    },
  );

  it("says what it left out", async () => {
    const text =
      "qemu: hello\nspapr_iommu_ddw_remove liobn=0x80000001\nspapr_iommu_pci_put liobn=0x8 ioba=zz\nspapr_iommu_ddw_remove liobn";
    const { stderr } = await cli(["convert", "-", inFolder("left-out.jsonl")], text);
    expect(stderr).toContain("1 event (qemu-log), 1 other line, 1 damaged line, 1 torn last line");
  });

  it.each([
    {
      name: "an input that is not there",
      args: ["no-such.log", "x.csv"],
      message: "no-such.log: no such file",
    },
    {
      name: "an input that is no trace",
      args: ["text", "x.csv"],
      message: "text: no event that is known here: ",
      status: 63,
    },
    {
      name: "an empty input",
      args: ["empty", "x.csv"],
      message: "no event that is known here: the file is empty",
      status: 63,
    },
    { name: "an output of no form", args: ["good.log", "x.txt"], message: "x.txt: the name says no form" },
    { name: "an output that exists", args: ["good.log", "there.csv"], message: "there.csv exists; --force" },
    { name: "no folder for the output", args: ["good.log", "no/x.csv"], message: "there is no folder" },
    {
      name: "a run that is no folder's name",
      args: ["--run", "a b", "good.log", "t/"],
      message: '"a b" does not do',
    },
    {
      name: "a filter of a saved machine",
      args: ["-F", "pci_put", "good.log", "x.mig"],
      message: "--filter is for events",
    },
    {
      name: "a table that is none",
      args: ["--table", "x", "good.log", "x.csv"],
      message: "events, mappings",
    },
  ])("refuses $name and leaves nothing", async ({ args, message, status = 1 }) => {
    const place = inFolder("refused");
    mkdirSync(place, { recursive: true });
    writeFileSync(path.join(place, "text"), "nothing of that kind\n");
    writeFileSync(path.join(place, "empty"), "");
    writeFileSync(path.join(place, "good.log"), "spapr_iommu_ddw_remove liobn=0x80000001\n");
    writeFileSync(path.join(place, "there.csv"), "mine");
    const before = readdirSync(place);
    const result = await cli([
      "convert",
      ...args.map((arg) => (/^[\w-]+[./]|^text$|^empty$/.test(arg) ? `${place}/${arg}` : arg)),
    ]);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toContain("    at ");
    expect(result.status).toBe(status);
    expect(readFileSync(path.join(place, "there.csv"), "utf8")).toBe("mine");
    const left = readdirSync(place).filter((name) => !before.includes(name));
    for (const name of left) expect(readdirSync(path.join(place, name)), "a table without runs").toEqual([]);
  });

  it("reports that it cannot write any more", async () => {
    // The folder goes away while a file in it is written: every write fails from then on.
    const place = inFolder("going");
    mkdirSync(place);
    const child = spawn(process.execPath, [MAIN, "convert", "-", path.join(place, "x.jsonl")]);
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    const log = readCorpusHead("traces", LOG, 400_000);
    child.stdin.on("error", () => {});
    child.stdin.write(log);
    await until(() => readdirSync(place).length > 0);
    rmSync(place, { recursive: true });
    child.stdin.end(log);
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status).toBe(1);
    expect(stderr).toMatch(/x\.jsonl: ENOENT/);
    expect(stderr).not.toContain("    at ");
  });

  const stops = (["SIGINT", "SIGTERM"] as const).flatMap((signal) =>
    ["x.parquet", "x.jsonl", "x.csv", "x.pftrace", "table/"].map((out) => ({ signal, out })),
  );
  it.each(some(stops, stops.length))(
    "leaves nothing of $out behind when it is stopped by $signal",
    stopBySignal,
  );
});
