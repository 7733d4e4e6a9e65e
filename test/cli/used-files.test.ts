import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { FakeQemu } from "../live/fake-qemu.ts";
import { cli } from "./cli.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "used-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);

const TRACE = inFolder("trace.log");
const SCRIPT = inFolder("script.jsonl");
const STORY = inFolder("story.yaml");
const TEXT =
  "spapr_iommu_new_table liobn=0x80000000 table=0x1 fd=-1\nspapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n";

beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(inFolder(name), { recursive: true });
  writeFileSync(TRACE, TEXT);
  symlinkSync(TRACE, inFolder("symbolic"));
  linkSync(TRACE, inFolder("hard"));
  copyFileSync(path.join(ROOT, "test/cases/readme-script.jsonl"), SCRIPT);
  copyFileSync(path.join(ROOT, "stories/fragmentation.yaml"), STORY);
});

/** Refused with both names, and nothing is harmed or left. */
function refused(
  { status, stdout, stderr }: { status: number | null; stdout: string; stderr: string },
  output: string,
): void {
  expect(stderr).toMatch(
    /^spapr-iommu: .*: an input of this call(?:, as .*)?: name another file for the output\n$/,
  );
  expect(stderr).toContain(output);
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(readFileSync(TRACE, "utf8")).toBe(TEXT);
  expect(readdirSync(folder).sort()).toEqual(["hard", "script.jsonl", "story.yaml", "symbolic", "trace.log"]);
}

describe("an output that is an input", () => {
  it.each([
    ["check", TRACE],
    ["check", SCRIPT, TRACE],
    ["info", TRACE],
    ["map", TRACE],
    ["diff", `${TRACE}@1`, `${TRACE}@2`],
    ["who", TRACE, "0x1000"],
    ["alive", TRACE],
    ["stat", TRACE],
    ["check", SCRIPT, "--machine", TRACE],
  ])("is refused by %s, by all its names", async (...args) => {
    for (const output of [
      TRACE,
      inFolder("symbolic"),
      inFolder("hard"),
      path.join(folder, "..", path.basename(folder), "trace.log"),
    ])
      refused(await cli([...args, "-o", output]), output);
  });

  it.each([
    { args: ["exec", SCRIPT, "-o", SCRIPT], output: SCRIPT },
    { args: ["convert", "--force", TRACE, inFolder("trace.csv")], output: inFolder("trace.csv"), link: true },
    { args: ["run", STORY, "--save-trace", STORY], output: STORY },
    { args: ["run", STORY, "-o", STORY], output: STORY },
  ])("is refused by $args.0: $output", async ({ args, output, link = false }) => {
    if (link) linkSync(TRACE, output);
    const before = readFileSync(output, "utf8");
    const { status, stderr } = await cli(args);
    expect(stderr).toContain(`${output}: an input of this call`);
    expect(status).toBe(1);
    expect(readFileSync(output, "utf8")).toBe(before);
  });

  it("is refused also as standard input", () => {
    const input = openSync(TRACE, "r");
    const main = path.join(ROOT, "dist/program/main.js");
    const result = spawnSync(process.execPath, [main, "check", "-", "-o", TRACE], {
      stdio: [input, "pipe", "pipe"],
      encoding: "utf8",
    });
    closeSync(input);
    refused(result, TRACE);
  });

  it("is refused of the log that attach follows, with QEMU's settings as they were", async () => {
    const qemu = new FakeQemu();
    await qemu.listen();
    try {
      qemu.append(TEXT);
      const args = ["attach", "--qmp", qemu.socket, "--log", qemu.log, "--base", "none", "-o", qemu.log];
      const { status, stderr } = await cli(args);
      expect(stderr).toContain(`${qemu.log}: an input of this call`);
      expect(status).toBe(1);
      expect(readFileSync(qemu.log, "utf8")).toBe(TEXT);
      expect([...qemu.events.values()]).toEqual(["disabled", "enabled", "disabled"]);
    } finally {
      await qemu.close();
    }
  });

  it("is allowed where nothing is harmed: a device, another file", async () => {
    expect((await cli(["check", TRACE, "-o", "/dev/null"])).status).toBe(0);
    expect((await cli(["check", TRACE, "-o", inFolder("out.txt")])).status).toBe(0);
    expect((await cli(["check", TRACE, "-o", inFolder("out.txt")])).status).toBe(0);
    // What one call reads the next one may write.
    expect((await cli(["check", SCRIPT, "-o", inFolder("out.txt")])).status).not.toBe(1);
  });
});
