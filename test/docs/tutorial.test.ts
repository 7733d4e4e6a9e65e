import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type CliResult, cliIn, onTerminal } from "../cli/cli.ts";
import { query } from "../helpers/duckdb.ts";
import { type Block, blocksOf } from "../helpers/markdown.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { commandEnvironment, makeCommands } from "./command-folder.ts";
import { leakTrace } from "./leak-trace.ts";

const folder = scratchFolder();
const blocks = blocksOf("tutorial-leak.md");

/** Statuses of commands that did what they were asked to: 2 and 3 say that they found something. */
const DONE = [0, 2, 3];

interface Step extends Block {
  readonly verb: string | undefined;
  /** Pieces that its output must have. */
  readonly shown: readonly string[];
}

/** The commands and queries in order, each with the block of output behind it. */
const steps: Step[] = blocks
  .map((block, i) => ({
    ...block,
    verb: /^npx spapr-iommu (\S+)/.exec(block.text)?.[1],
    shown: blocks[i + 1]?.language === "text" ? blocks[i + 1]!.text.split("\n") : [],
  }))
  .filter(({ language }) => language === "sh" || language === "sql");

/** Runs a command where the tutorial does: the command line is on the path, the corpus where it is in the project. */
async function runCommand(command: string): Promise<string> {
  // What needs no shell needs no process.
  const [, words, to] = /^npx spapr-iommu ([\w .@-]+?)(?: > ([\w.-]+))?$/.exec(command) ?? [];
  if (words !== undefined) {
    const run = (): Promise<CliResult> => cliIn(folder, words.split(" "));
    const { status, stdout, stderr } = await (to === undefined ? onTerminal({ columns: 100 }, run) : run());
    expect(DONE, `${command}\n${stderr}`).toContain(status);
    if (to === undefined) return stdout + stderr;
    writeFileSync(path.join(folder, to), stdout);
    return stderr;
  }
  const { status, stdout, stderr } = spawnSync("bash", ["-o", "pipefail", "-c", command], {
    cwd: folder,
    encoding: "utf8",
    env: commandEnvironment(folder),
  });
  expect(DONE, `${command}\n${stderr}`).toContain(status);
  return stdout + stderr;
}

const rowText = (row: Record<string, unknown>): string =>
  Object.entries(row)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");

describe("docs/tutorial-leak.md", () => {
  beforeAll(() => makeCommands(folder));

  it("has five commands of ours", () => {
    expect(steps.map(({ verb }) => verb).filter((verb) => verb !== undefined)).toEqual([
      "check",
      "map",
      "diff",
      "convert",
      "shrink",
    ]);
  });

  it.each(steps)("shows what its commands print, line $line: $text", async ({ language, text, shown }) => {
    const output =
      language === "sh"
        ? await runCommand(text)
        : (await query(text.replace(/'([\w-]+\.parquet)'/, (_, file) => `'${folder}/${file}'`)))
            .map(rowText)
            .join("\n");
    for (const piece of shown) expect(output).toContain(piece);
  });

  it("breaks the trace as the other tests do", () => {
    const other = path.join(folder, "other");
    mkdirSync(other);
    const lines = (file: string): string[] => readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines(path.join(folder, "leak.log"))).toEqual(lines(leakTrace(other)));
  });
});
