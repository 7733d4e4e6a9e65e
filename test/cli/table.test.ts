import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { tableText } from "../../src/cli/table.ts";
import { leakTrace } from "../docs/leak-trace.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { cli, onTerminal } from "./cli.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PLANTED = path.join(ROOT, "test/corpus/traces/dma-ppc64le-linux612-planted.txt.gz");
const folder = scratchFolder();
const LEAK = leakTrace(folder);

const linesOf = (text: string): string[] => text.trimEnd().split("\n");

describe("a table", () => {
  it("has one line a row, one rule below the head, and no frame", async () => {
    const [title, head, rule, ...rows] = linesOf((await cli(["alive", PLANTED])).stdout);
    expect(title).toContain("mappings are alive");
    expect(head).toMatch(/^device +direction +size +task +count +bytes +age +oldest +line$/);
    expect(rule).toMatch(/^(?:─+ {2})+─+$/);
    const { groups } = JSON.parse((await cli(["alive", PLANTED, "--output", "json"])).stdout);
    expect(rows.filter((row) => /^\S+:\S+ /.test(row))).toHaveLength(groups.length);
  });

  it("cuts words, and never addresses, to the width of a terminal", async () => {
    const args = ["map", "--device", "0000:00:03.0", PLANTED];
    const wide = linesOf((await cli(args)).stdout);
    const narrow = linesOf((await onTerminal({ columns: 100 }, () => cli(args))).stdout);
    expect(narrow).toHaveLength(wide.length);
    const rows = wide.slice(4);
    expect(rows.some((row) => row.length > 100)).toBe(true);
    for (const [i, row] of narrow.slice(4).entries()) {
      expect(row.length).toBeLessThanOrEqual(100);
      expect(row.split(/ {2,}/)[0]).toBe(rows[i]!.split(/ {2,}/)[0]);
    }
  });

  it("takes time by its rows", async () => {
    // In time that grows with their square, it would be many minutes.
    const rows = Array.from({ length: 40_000 }, (_, i) => [String(i), "name"]);
    const lines = tableText([{ head: "number", align: "right" }, { head: "text" }], rows).split("\n");
    expect(lines.slice(0, 3)).toEqual(["number  text", "──────  ────", "     0  name"]);
    expect(lines).toHaveLength(rows.length + 2);
  });

  it("shows names of files and tasks, and does nothing that they say", async () => {
    const text = tableText([{ head: "task" }], [["a\u001b[31mb\nc\td"]]);
    expect(text.split("\n").at(-1)).toBe("a\\u001b[31mb c d");
  });
});

describe("a finding on a terminal", () => {
  it("is broken between its words, and says its severity", async () => {
    const { stdout } = await onTerminal({ columns: 70 }, () => cli(["check", LEAK]));
    for (const line of linesOf(stdout).filter((line) => !line.includes("spapr-iommu who")))
      expect(line.length).toBeLessThanOrEqual(Math.max(70, line.split(" ")[0]!.length));
    expect(stdout).toContain(": warning: leak:");
  });

  it("is one line elsewhere", async () => {
    const lines = linesOf((await cli(["check", "--quiet", PLANTED])).stdout);
    for (const [i, line] of lines.entries()) {
      expect(line).toMatch(/^.*:\d+: (?:error|warning): [a-z-]+: .* \[\d+\]$/);
      if (i > 0) expect(line.includes(": error: ") && lines[i - 1]!.includes(": warning: ")).toBe(false);
    }
  });
});

describe("the pager", () => {
  const file = path.join(folder, "paged.txt");

  it("is what $PAGER says, and gets all of the output", async () => {
    const plain = await cli(["stat", PLANTED]);
    const paged = await onTerminal({ columns: 80, pager: `cat > ${file}` }, () => cli(["stat", PLANTED]));
    expect(paged).toEqual({ ...plain, stdout: "" });
    expect(readFileSync(file, "utf8")).toBe(plain.stdout);
  });

  it.each([
    { pager: "cat", args: [] },
    { pager: "", args: [] },
    { pager: "no-such-pager", args: [] },
    { pager: "false", args: ["--no-pager"] },
    { pager: "false", args: ["--out", path.join(folder, "out.txt")] },
  ])("is none with PAGER=$pager $args", async ({ pager, args }) => {
    const { status, stdout } = await onTerminal({ columns: 80, pager }, () =>
      cli(["stat", PLANTED, ...args]),
    );
    expect(status).toBe(0);
    const out = args[0] === "--out" ? readFileSync(args[1]!, "utf8") : stdout;
    expect(out).toContain("events");
  });

  it("ends the verb with it", () => {
    const log = path.join(folder, "long.log");
    // More than a pipe holds.
    const puts = Array.from(
      { length: 5000 },
      (_, i) => `ioba=0x${(i * 4096).toString(16)} tce=0x2003 ret=0\n`,
    );
    writeFileSync(log, puts.map((put) => `spapr_iommu_pci_put liobn=0x80000000 ${put}`).join(""));
    const command = `PAGER='head -n 1' ${process.execPath} ${ROOT}/dist/program/main.js map --raw ${log}; echo $?`;
    const printed = execFileSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
    expect(linesOf(printed.replaceAll("\r", ""))).toEqual([expect.stringMatching(/^LIOBN 0x80000000/), "0"]);
  });
});
