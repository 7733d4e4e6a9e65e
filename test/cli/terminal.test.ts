import { execFileSync, type SpawnSyncOptions, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { SUMMARY } from "../../src/cli/command-line.ts";
import { EXIT_TEXT } from "../../src/cli/exit-status.ts";
import { manPage } from "../../src/cli/man-page.ts";
import { csvCell } from "../../src/formats/table/csv-cell.ts";
import { readCorpusHead } from "../helpers/corpus.ts";
import { some } from "../helpers/some.ts";
import { allCommands, cli } from "./cli.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const MAIN = path.join(ROOT, "dist/program/main.js");
const trace = (name: string): string => path.join(ROOT, "test/corpus/traces", name);
const PLANTED = trace("dma-ppc64le-linux612-planted.txt.gz");
const BOOT = trace("pgsz-256m-linux61.log.gz");
const folder = mkdtempSync(path.join(tmpdir(), "terminal-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);
const ESCAPE = "\u001b";

describe("--out", () => {
  it("writes what would be printed, and nothing else is left", async () => {
    const printed = await cli(["check", PLANTED]);
    const written = await cli(["check", PLANTED, "-o", inFolder("check.txt")]);
    expect(written).toEqual({ ...printed, stdout: "" });
    expect(readFileSync(inFolder("check.txt"), "utf8")).toBe(printed.stdout);
    expect(readdirSync(folder)).toEqual(["check.txt"]);
    expect((await cli(["check", PLANTED, "--out", "-"])).stdout).toBe(printed.stdout);
  });

  it("leaves what was there when the verb fails", async () => {
    writeFileSync(inFolder("old.txt"), "old");
    const { status } = await cli(["map", "--liobn", "7", BOOT, "-o", inFolder("old.txt")]);
    expect(status).toBe(1);
    expect(readFileSync(inFolder("old.txt"), "utf8")).toBe("old");
    const missing = inFolder("none/out.txt");
    const { stderr } = await cli(["info", BOOT, "-o", missing]);
    expect(stderr).toContain(`${missing}: there is no folder`);
    expect(existsSync(missing)).toBe(false);
  });
});

describe("an output that cannot be written", () => {
  const story = path.join(ROOT, "stories/kexec-old-window.yaml");
  it.each([
    { output: "", says: /a file to write needs a name/ },
    { output: "/dev/full", says: /\/dev\/full: ENOSPC: no space left/ },
    { output: folder, says: /is a folder, not a file/ },
    { output: "/proc/none", says: /\/proc\/none: / },
  ])("is one line and status 1: $output", async ({ output, says }) => {
    for (const args of [
      ["check", BOOT, "-o", output],
      ["map", "--output", "jsonl", BOOT, "-o", output],
      ["run", story, "--save-trace", output],
    ]) {
      const { status, stdout, stderr } = await cli(args);
      expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(says);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    }
  });
});

describe("a standard output that takes nothing", () => {
  const run = (args: readonly string[], stdio: SpawnSyncOptions["stdio"]) =>
    spawnSync(process.execPath, [MAIN, ...args], { stdio, encoding: "utf8" });
  const full = openSync("/dev/full", "w");
  afterAll(() => closeSync(full));
  let log = "";
  beforeEach(() => {
    log = inFolder("short.log");
    writeFileSync(log, "spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n");
  });

  it.each(some(["human", "json"], 2))("is told of in one line, with status 1: %s", (output) => {
    const { status, stderr } = run(["info", log, "--output", output], ["ignore", full, "pipe"]);
    expect(stderr).toBe("spapr-iommu: standard output: ENOSPC: no space left on device, write\n");
    expect(status).toBe(1);
  });

  it.each(
    some(
      [
        { what: "is fine", file: () => log, expected: { status: 0, says: /tce-iommu-80000000/ } },
        { what: "is not", file: () => inFolder("none.log"), expected: { status: 1, says: /^$/ } },
      ],
      2,
    ),
  )("does not change the status where it is standard error: $what", ({ file, expected }) => {
    const { status, stdout } = run(["info", file(), "--verbose"], ["ignore", "pipe", full]);
    expect(status).toBe(expected.status);
    expect(stdout).toMatch(expected.says);
  });
});

it.each(["qmp", "domain", "log"])("attach says in one line that the name of --%s is empty", async (name) => {
  const { status, stderr } = await cli(["attach", "--qmp", "/nonexistent/qmp", `--${name}`, ""]);
  expect(stderr).toBe(`spapr-iommu: --${name} needs a name: it is empty\n`);
  expect(status).toBe(1);
});

describe("--color", () => {
  it.each([
    { color: "always", coloured: true },
    { color: "never", coloured: false },
    { color: "auto", coloured: false },
  ])("$color", async ({ color, coloured }) => {
    const { stdout } = await cli(["check", PLANTED, "--color", color]);
    expect(stdout.includes(ESCAPE)).toBe(coloured);
  });

  it("is that of the call alone", async () => {
    await cli(["check", PLANTED, "--color", "always"]);
    expect((await cli(["check", PLANTED])).stdout).not.toContain(ESCAPE);
  });
});

describe("--verbose", () => {
  it("says how much was read", async () => {
    expect((await cli(["check", "-v", BOOT])).stderr).toMatch(
      /log\.gz: [0-9.]+ MB read in [0-9.]+ s, \d+ MB\/s/,
    );
    expect((await cli(["check", BOOT])).stderr).toBe("");
  });
});

/** A value of JSON, whatever it is. */
type Json = { readonly [name: string]: Json } & readonly Json[];

/** Lines of a CSV text without quoted line ends. */
const csvRows = (text: string): string[] => text.trimEnd().split("\n");

describe("--output", () => {
  const CALLS = [
    { args: ["check", PLANTED], rowsOf: (json: Json) => json.files![0]!.findings },
    { args: ["map", BOOT], rowsOf: (json: Json) => json.flatMap(({ runs }: Json) => runs!) },
    { args: ["info", BOOT], rowsOf: (json: Json) => json },
    { args: ["info", "--migration", BOOT], rowsOf: (json: Json) => json },
    { args: ["diff", `${BOOT}@500`, `${BOOT}@1200`], rowsOf: (json: Json) => json },
    { args: ["stat", BOOT], rowsOf: (json: Json) => json.windows },
    { args: ["stat", PLANTED], rowsOf: (json: Json) => json.devices },
    {
      args: ["map", "--raw", BOOT],
      rowsOf: (json: Json) =>
        json.flatMap(({ tces }: Json) => tces!.map(([index, tce]: Json) => ({ index, tce }))),
    },
  ];
  it.each(some(CALLS, 4))(
    "of $args.0 has a row for each item of the JSON: $args",
    async ({ args, rowsOf }) => {
      const { stdout: json, status } = await cli([...args, "--output", "json"]);
      const items = rowsOf(JSON.parse(json))!;
      expect(items.length).toBeGreaterThan(0);
      const lines = await cli([...args, "--output", "jsonl"]);
      expect(lines.status).toBe(status);
      const rows = lines.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(rows).toHaveLength(items.length);
      for (const [i, row] of rows.entries()) expect(row).toMatchObject(items[i]!);
      const csv = csvRows((await cli([...args, "--output", "csv"])).stdout);
      expect(csv).toHaveLength(items.length + 1);
      const columns = csv[0]!.split(",");
      for (const name of Object.keys(rows[0])) expect(columns).toContain(name);
    },
  );

  it("sarif names rule, level and lines of each finding", async () => {
    const { findings } = JSON.parse((await cli(["check", PLANTED, "--output", "json"])).stdout).files[0];
    const { status, stdout } = await cli(["check", PLANTED, "--output", "sarif"]);
    expect(status).toBe(2);
    const { version, runs } = JSON.parse(stdout);
    expect(version).toBe("2.1.0");
    const [{ tool, results }] = runs;
    expect(results).toHaveLength(findings.length);
    for (const [i, { kind, severity, message, lines }] of findings.entries()) {
      const result = results[i];
      expect(tool.driver.rules[result.ruleIndex].id).toBe(kind);
      expect(result).toMatchObject({ ruleId: kind, level: severity, message: { text: message } });
      const places = [...result.locations, ...(result.relatedLocations ?? [])];
      expect(places.map((place: Json) => place.physicalLocation!.region!.startLine)).toEqual(
        lines.slice(0, 20),
      );
    }
  });

  it("sarif names byte offsets of what has no lines", async () => {
    const file = inFolder("killed.simple");
    writeFileSync(
      file,
      readCorpusHead("traces", "simple-killed-under-load-nvme-e1000-linux61.simple", 250_001),
    );
    const { results } = JSON.parse((await cli(["check", file, "--output", "sarif"])).stdout).runs[0];
    expect(results[0].locations[0].physicalLocation.region).toMatchObject({ byteLength: 0 });
  });
});

describe("csvCell", () => {
  it.each([
    { text: "=1+2", cell: "'=1+2", raw: "=1+2" },
    { text: "+a", cell: "'+a", raw: "+a" },
    { text: "-a", cell: "'-a", raw: "-a" },
    { text: '@a,"b"', cell: `"'@a,""b"""`, raw: '"@a,""b"""' },
    { text: "\t=1", cell: "'\t=1", raw: "\t=1" },
    { text: "plain", cell: "plain", raw: "plain" },
    { text: "", cell: '""', raw: '""' },
    { text: "two\nlines", cell: '"two\nlines"', raw: '"two\nlines"' },
  ])("$text", ({ text, cell, raw }) => {
    expect(csvCell(text, false)).toBe(cell);
    expect(csvCell(text, true)).toBe(raw);
  });
});

describe("diff --exit-code", () => {
  it.each([
    { a: `${BOOT}@500`, b: `${BOOT}@1200`, status: 1, plain: 0 },
    { a: BOOT, b: BOOT, status: 0, plain: 0 },
    { a: BOOT, b: "no-such-file", status: 2, plain: 1 },
  ])("exits $status", async ({ a, b, status, plain }) => {
    expect((await cli(["diff", "--exit-code", a, b])).status).toBe(status);
    expect((await cli(["diff", a, b])).status).toBe(plain);
  });

  it("says which window it cannot compare, and is not fine then", async () => {
    const put = "spapr_iommu_pci_put liobn=0x80000100 ioba=0x10000 tce=0x50003 ret=0\n";
    const saved = "spapr_iommu_pre_save liobn=80000100 4000 bus_offset=0x0 ps=16\n";
    const log = path.join(folder, "learned.log");
    writeFileSync(log, put + put + saved);
    const { status, stdout } = await cli(["diff", `${log}@1`, log]);
    expect(status).toBe(3);
    expect(stdout).toMatch(/^not compared: .*\bbefore are of 4 KiB \(assumed\), those after of 64 KiB;/m);
    expect(stdout).toMatch(/\n1 window not compared, nothing else changed\n$/);
    expect((await cli(["diff", "--exit-code", `${log}@1`, log])).status).toBe(2);
    const told = ["--window", "0x80000100=0x0+1G,64K"];
    expect((await cli(["diff", ...told, `${log}@1`, log])).stdout).toMatch(/\nnothing changed\n$/);
  });

  it("sums up what changed", async () => {
    const { stdout } = await cli(["diff", `${BOOT}@300`, `${BOOT}@1200`]);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/\d pages? mapped/);
    expect((await cli(["diff", BOOT, BOOT])).stdout).toMatch(/^--- .*\n\+\+\+ .*\nnothing changed\n$/);
    expect((await cli(["diff", "--quiet", BOOT, BOOT])).stdout).toBe("");
  });
});

describe("findings", () => {
  it("have numbers, which shrink takes", async () => {
    const file = trace("faults-stray-dma-e1000-nvme-linux61.log.gz");
    const lines = (await cli(["check", "--quiet", file])).stdout.trimEnd().split("\n");
    expect(lines.map((line) => /\[(\d+)\]$/.exec(line)?.[1])).toEqual(lines.map((_, i) => String(i + 1)));
    const { stderr } = await cli(["shrink", "--finding", "1", file]);
    expect(lines[0]).toContain(stderr.split(":")[0]);
  });
});

const commands = await allCommands();

describe("help", () => {
  it.each(commands)("of $verb.name ends with examples and exit statuses", async ({ verb }) => {
    const { status, stdout } = await cli([verb.name, "--help"]);
    expect(status).toBe(0);
    for (const example of verb.examples) expect(stdout).toContain(`  spapr-iommu ${example}\n`);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^Exit status: 0 /);
  });

  it("is the manual page, too (npm run man)", () => {
    const page = manPage({ summary: SUMMARY, verbs: commands, exitText: EXIT_TEXT });
    expect(readFileSync(path.join(ROOT, "man/spapr-iommu.1"), "utf8")).toBe(page);
  });
});

describe("--completion", () => {
  it.each([
    { words: ["c"], replies: ["check", "convert"] },
    { words: ["check", "--out"], replies: ["--outlived", "--output", "--out"] },
    { words: ["check", "--output", ""], replies: ["human", "json", "jsonl", "csv", "sarif"] },
    { words: ["run", "--color", "al"], replies: ["always"] },
  ])("completes $words in bash", async ({ words, replies }) => {
    const script = inFolder("completion.bash");
    writeFileSync(script, (await cli(["--completion", "bash"])).stdout);
    const typed = ["spapr-iommu", ...words].map((word) => `'${word}'`).join(" ");
    const program = `source ${script}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _spapr_iommu; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const reply = execFileSync("bash", ["-c", program], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(reply.trimEnd().split("\n")).toEqual(replies);
  });

  it.each(["zsh", "fish"])("has all verbs and options for %s, which can read it", async (shell) => {
    const { stdout } = await cli(["--completion", shell]);
    const script = inFolder(`completion.${shell}`);
    writeFileSync(script, stdout);
    // Where the shell is not installed, there is nothing more to see.
    const { error, status, stderr } = spawnSync(shell, ["-n", script], { encoding: "utf8" });
    expect([error === undefined ? status : (error as NodeJS.ErrnoException).code, stderr ?? ""]).toEqual([
      error === undefined ? 0 : "ENOENT",
      "",
    ]);
    for (const { verb, command } of commands) {
      expect(stdout).toContain(verb.name);
      for (const { long } of command.options) expect(stdout).toContain(long!.slice(2));
    }
  });

  it("says which shells there are", async () => {
    const { status, stderr } = await cli(["--completion", "tcsh"]);
    expect(status).toBe(1);
    expect(stderr).toContain("bash, zsh, fish");
  });
});
