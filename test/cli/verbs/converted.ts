import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parquetReadObjects } from "hyparquet";
import { expect } from "vitest";
import { readCorpusHead } from "../../helpers/corpus.ts";
import { query } from "../../helpers/duckdb.ts";
import { scratchFolder } from "../../helpers/scratch.ts";
import { cli } from "../cli.ts";
import { MAIN, until } from "../processes.ts";

const TRACES = path.resolve(import.meta.dirname, "../../corpus/traces");
/** Where the files of a test file are written. */
const folder = scratchFolder();
export const inFolder = (name: string): string => path.join(folder, name);
export const trace = (name: string): string => path.join(TRACES, name);

export type Row = Record<string, string | number | boolean | undefined>;

/** Converts, and returns what was said; the status is that of an input of which something is missing where that is said. */
export async function convert(...args: string[]): Promise<string> {
  const { status, stderr } = await cli(["convert", ...args]);
  expect(stderr).not.toContain("    at ");
  expect(status, stderr).toBe(stderr.includes(": warning: ") ? 3 : 0);
  return stderr;
}

export const jsonRows = (file: string): Row[] =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);

/** Rows of a CSV file without quotes; empty cells are left out. */
export function csvRows(file: string): Record<string, string>[] {
  const [header, ...lines] = readFileSync(file, "utf8").trimEnd().split("\n");
  const names = header!.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    if (cells.length !== names.length) throw new Error(`${file}: ${line}`);
    return Object.fromEntries(names.map((name, i) => [name, cells[i]!]).filter(([, cell]) => cell !== ""));
  });
}

/** How QEMU writes the events that a test below writes back; independent of the reader's table. */
const LINES: Record<string, (row: Row) => string> = {
  put: (row) => `liobn=${row.liobn} ioba=${row.ioba} tce=${row.tce} ret=${row.ret}`,
  get: (row) => `liobn=${row.liobn} ioba=${row.ioba} ret=${row.ret} tce=${row.tce}`,
  indirect: (row) =>
    `liobn=${row.liobn} ioba=${row.ioba} tcelist=${row.tcelist} iobaN=0x${Number(row.last_index).toString(16)} tceN=${row.tce} ret=${row.ret}`,
  stuff: (row) =>
    `liobn=${row.liobn} ioba=${row.ioba} tcevalue=${row.tce} npages=${row.npages} ret=${row.ret}`,
  xlate: (row) => `liobn=${row.liobn} ${row.ioba} -> ${row.tce} perm=${row.perm} mask=${row.mask}`,
  new_table: (row) =>
    `liobn=${row.liobn} table=${row.table_pointer === "0x0" ? "(nil)" : row.table_pointer} fd=${row.fd}`,
  pre_save: (row) =>
    `liobn=${digits(row.liobn)} ${Number(row.entries).toString(16)} bus_offset=${row.bus_offset} ps=${row.page_shift}`,
  ddw_query: (row) =>
    `buid=${row.buid} addr=${row.config_address}, ${row.windows_available} windows available, max window size=${row.window_size}, mask=${row.page_sizes}`,
  ddw_create: (row) =>
    `buid=${row.buid} addr=${row.config_address}, page size=${row.page_size}, requested=${row.window_size}, start addr=${row.bus_offset}, liobn=${row.liobn}`,
  ddw_remove: (row) => `liobn=${row.liobn}`,
  ddw_reset: (row) => `buid=${row.buid} addr=${row.config_address}`,
};
const digits = (value: Row[string]): string => String(value).slice(2);

function lineOf(row: Row): string {
  const name = String(row.name);
  const time = BigInt(row.time_ns ?? 0) / 1000n;
  const origin =
    row.thread === undefined
      ? ""
      : `${row.thread}@${time / 1_000_000n}.${String(time % 1_000_000n).padStart(6, "0")}:`;
  return `${origin}${name} ${LINES[name.replace(/^spapr_iommu_(pci_)?/, "")]!(row)}`;
}

/** Writes the first bytes of a recording into a file of its name, unpacked. */
export function writeHead(name: string, bytes: number): string {
  const file = inFolder(name);
  writeFileSync(file, readCorpusHead("traces", name, bytes));
  return file;
}

/** Logs of all kinds of windows and machines. */
export const LOGS = [
  "nvme-e1000-1g-linux61",
  "nvme-4g-parallel-io-linux612-timestamps",
  "vfio-in-guest-windows-linux612",
  "virtio-blk-net-iommu-platform-linux612",
];

/** The events of a log, as text and back, are QEMU's own lines. */
export async function convertBack(name: string, bytes: number): Promise<void> {
  const log = writeHead(`${name}.log`, bytes);
  // What is behind the last end of a line is torn.
  const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
  for (const [form, rowsOf] of [
    ["jsonl", jsonRows],
    ["csv", csvRows],
  ] as const) {
    const out = inFolder(`${name}.${form}`);
    await convert("--force", log, out);
    const rows = rowsOf(out);
    expect(rows.length).toBe(lines.filter((line) => /^(\d+@[\d.]+:)?spapr_iommu_/.test(line)).length);
    const wrong = rows.filter((row) => lineOf(row) !== lines[Number(row.line) - 1]);
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(rows.every((row, i) => Number(row.event) === i && row.run === name)).toBe(true);
  }
}

/** Tables of all kinds of recordings. */
export const TABLES = [
  { name: "nvme-e1000-1g-linux61.log", table: "events" },
  { name: "nvme-4g-parallel-io-linux612-timestamps.log", table: "events" },
  { name: "nvme-4g-parallel-io-linux612-timestamps.log", table: "mappings" },
  { name: "simple-timestamps-smp2-virtio-linux612.simple", table: "mappings" },
  { name: "dma-ppc64le-linux612-planted.txt", table: "events" },
  { name: "dma-x86-linux72-vtd-lost-trace-pipe.txt", table: "events" },
  { name: "dma-x86-linux612-vtd-strict-planted.txt", table: "mappings" },
];

/** DuckDB and hyparquet read in a Parquet file what the same table has as JSON. */
export async function compareForms(
  { name, table }: { readonly name: string; readonly table: string },
  bytes: number,
): Promise<void> {
  const recording = writeHead(name, bytes);
  const parquet = inFolder("same.parquet");
  const json = inFolder("same.jsonl");
  await convert("--force", "--table", table, recording, parquet);
  await convert("--force", "--table", table, recording, json);
  const rows = jsonRows(json);
  const expected = rows.map(comparable);
  const fromDuck = await query(`SELECT * FROM '${parquet}'`);
  expect(fromDuck.map(comparable)).toEqual(expected);
  const packed = readFileSync(parquet);
  const file = packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.length) as ArrayBuffer;
  expect((await parquetReadObjects({ file })).map(comparable)).toEqual(expected);
  expect(rows.length).toBeGreaterThan(50);
}

/** A row as text: every value, hexadecimal ones as numbers, without empty cells. */
function comparable(row: Record<string, unknown>): string {
  const cells = Object.entries(row).filter(([, value]) => value !== null && value !== undefined);
  return cells
    .map(([name, value]) => {
      const isHex = typeof value === "string" && /^0x[0-9a-f]+$/.test(value) && !LISTS.includes(name);
      return `${name}=${isHex ? BigInt(value) : value}`;
    })
    .join(" ");
}
const LISTS = ["dma_addrs", "sizes", "phys_addrs"];

/** Stops a conversion into a form while it writes: nothing of it is left. */
export async function stopBySignal({
  signal,
  out,
}: {
  readonly signal: "SIGINT" | "SIGTERM";
  readonly out: string;
}): Promise<void> {
  const place = inFolder(`stopped-${signal}-${out.replace("/", "")}`);
  mkdirSync(place);
  const child = spawn(process.execPath, [MAIN, "convert", "-", `${place}/${out}`]);
  child.stdin.on("error", () => {});
  child.stdin.write(readCorpusHead("traces", "nvme-e1000-1g-linux61.log", 400_000));
  const files = (): string[] => readdirSync(place, { recursive: true }) as string[];
  await until(() => files().some((name) => name.includes(".partial-")));
  child.kill(signal);
  const endedBy = await new Promise((resolve) => child.on("close", (_status, by) => resolve(by)));
  expect(endedBy).toBe(signal);
  expect(files()).toEqual([]);
}
