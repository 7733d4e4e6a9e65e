import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { cli, cliIn, onTerminal } from "../cli/cli.ts";
import { leakTrace } from "../docs/leak-trace.ts";
import { readCorpus } from "../helpers/corpus.ts";
import { printedBy } from "../helpers/printed.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { some } from "../helpers/some.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const CORPUS = path.join(ROOT, "test/corpus");
const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
const folder = scratchFolder();
/** Where calls run of which nothing is shown: of a long log it has the beginning. */
const short = scratchFolder();
const SHORT_LINES = 5_000;

const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text]) => text!);
const block = (language: string): string => blocks(language)[0]!;

/** The calls of the program in the README, without what stands behind a `#`. */
const commands = [...readme.matchAll(/^ {4}npx spapr-iommu (.*?)(?: +#.*)?$/gm)].map(([, words]) => words!);

/** Commands with what they print on a terminal of a hundred columns. */
const shown = blocks("console").flatMap((text) =>
  [...text.matchAll(/^\$ npx spapr-iommu (.*)\n((?:(?!\$ ).*\n)*)/gm)].map(([, words, output]) => ({
    words: words!.split(" "),
    output: output!,
  })),
);

/** What these show lies behind the beginning of the log. */
const NEEDS_WHOLE = /^(?:map|shrink) qemu\.log/;

/** Words as a shell cuts them; names of files lie in the folder of short ones. */
const wordsOf = (command: string): string[] =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) =>
    plain !== undefined &&
    /^[\w.-]+\.(?:log|mig|txt|html|jsonl|jsonl\.gz|parquet|folded|sock)(?:@\d+)?$/.test(plain)
      ? path.join(NEEDS_WHOLE.test(command) ? folder : short, plain)
      : (quoted ?? plain!),
  );

/** Statuses of commands that did what they were asked to: 2 and 3 say that they found something. */
const DONE = [0, 2, 3];
/** What these need is not here: no QEMU has to be installed, none runs, and the page may not be built. */
const STATUSES: Readonly<Record<string, readonly number[]>> = { oracle: [0, 63], attach: [1], ui: [1, 63] };
/** What must be printed: the case of the seed change, which takes too long to be run for another test, too. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  "run huge-window":
    /^ok {5}the window has 2\^31 TCEs[\s\S]*: the replay of the new window is skipped[\s\S]*\(589,824 pages in 2 runs\)/m,
};

describe("the README", () => {
  beforeAll(() => {
    const log = leakTrace(folder);
    copyFileSync(log, path.join(folder, "qemu.log"));
    const lines = readFileSync(log, "utf8").split("\n", SHORT_LINES);
    writeFileSync(path.join(short, "qemu.log"), `${lines.join("\n")}\n`);
    copyFileSync(path.join(CORPUS, "hcall/dma.jsonl.gz"), path.join(short, "recording.jsonl.gz"));
    writeFileSync(path.join(short, "script.jsonl"), block("jsonl"));
    const cases = path.join(ROOT, "test/cases");
    copyFileSync(path.join(cases, "03-ring-writeback-fault.txt"), path.join(short, "dma.txt"));
    copyFileSync(path.join(short, "dma.txt"), path.join(folder, "dma.txt"));
    copyFileSync(path.join(cases, "03-faults.dmesg"), path.join(short, "dmesg.txt"));
    const withStacks = readCorpus("traces", "dma-x86-linux612-vtd-trace-cmd-report-stacks.txt");
    writeFileSync(path.join(short, "stacks.txt"), withStacks);
    const machine =
      "qemu-system-ppc64 -nodefaults -m 8G,slots=8,maxmem=64G -device vfio-pci,host=0001:01:00.0";
    writeFileSync(path.join(short, "command-line.txt"), machine);
    const saved = path.join(CORPUS, "migration/pgsz-256m-linux61--pgsz-256m.mig.gz");
    writeFileSync(path.join(short, "saved.mig"), gunzipSync(readFileSync(saved)));
  });

  it.each(blocks("ts").map((example, i) => ({ example, i })))(
    "has an example that runs and prints what it says",
    async ({ example, i }) => {
      // Inside of the package, so that its own name resolves to it.
      const file = path.join(ROOT, `dist/readme-example-${i}.mjs`);
      writeFileSync(file, example);
      const printed = await printedBy(() => import(file)).finally(() => rmSync(file));
      expect(readme).toContain(`prints \`${printed}\``);
    },
  );

  it("has an op script that runs", async () => {
    const { status, stdout } = await cli(["exec", "-"], block("jsonl"));
    expect(status).toBe(0);
    const results = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => (JSON.parse(line) as { result: unknown }).result);
    expect(results).toMatchObject([{ status: 0 }, { ret: 0 }, { fault: false, data: "0".repeat(32) }]);
  });

  it("calls every verb", () => {
    expect(new Set(commands.map((command) => command.split(" ")[0])).size).toBe(18);
  });

  it.each([...new Set([...some(commands, 5), ...Object.keys(PRINTS)])])(
    "has a command that works: %s",
    async (command) => {
      const words = wordsOf(command);
      const { status, stdout, stderr } = await cli(words);
      expect(STATUSES[words[0]!] ?? DONE, stderr).toContain(status);
      expect(stdout).toMatch(PRINTS[command] ?? /(?:)/);
      if (words[0] === "run") expect(stdout).not.toContain("FAILED");
    },
  );

  it.each(shown)("shows what $words print", async ({ words, output }) => {
    const { stdout, stderr } = await onTerminal({ columns: 100 }, () => cliIn(folder, words));
    expect(stderr).toBe("");
    expect(output).toBe(stdout);
  });

  it("shows both kinds of recordings", () => {
    expect(shown.map(({ words }) => words.slice(0, 2).join(" "))).toEqual(
      expect.arrayContaining(["check dma.txt", "check qemu.log"]),
    );
  });

  it("has a glossary of twelve words", () => {
    expect(
      readme
        .split("## Twelve words")[1]!
        .split("##")[0]!
        .match(/^\| \*\*/gm),
    ).toHaveLength(12);
  });
});
