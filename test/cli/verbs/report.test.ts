import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { scratchFolder } from "../../helpers/scratch.ts";
import { some } from "../../helpers/some.ts";
import { cli, onTerminal } from "../cli.ts";

const folder = scratchFolder();
const TRACES = path.resolve(import.meta.dirname, "../../corpus/traces");
const WRONG = path.join(TRACES, "faults-stray-dma-e1000-nvme-linux61.log.gz");
const FINE = path.join(TRACES, "pgsz-256m-linux61.log.gz");
const SIMPLE = path.join(TRACES, "simple-file-off-and-on-nvme-e1000-linux61.simple.gz");
const case_ = (name: string): string => path.resolve(import.meta.dirname, "../../cases", name);
/** What a browser shows of a page's text. */
const textOf = (page: string): string =>
  page
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&#39;", "'")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");

describe("report", () => {
  it.each([WRONG, FINE])("exits as check does: %s", async (file) => {
    const out = path.join(folder, "a.html");
    const { status, stdout, stderr } = await cli(["report", file, "-o", out]);
    expect([stdout, stderr]).toEqual(["", ""]);
    expect(status).toBe((await cli(["check", file])).status);
    expect(readFileSync(out, "utf8")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
  });

  it("has the findings of all files, and the worst status", async () => {
    const { status, stdout } = await cli(["report", FINE, WRONG]);
    expect(status).toBe(2);
    expect(stdout).toContain('<article id="f2"');
    expect(stdout.match(/id="f\d-n\d+"/g)).toHaveLength(3);
  });

  it("writes what it writes to a file to standard output", async () => {
    const out = path.join(folder, "same.html");
    await cli(["report", WRONG, "-o", out]);
    expect((await cli(["report", WRONG])).stdout).toBe(readFileSync(out, "utf8"));
    expect((await cli(["report", WRONG, "-o", "-"])).stdout).toBe(readFileSync(out, "utf8"));
  });

  it("reads standard input, also packed", async () => {
    const { status, stdout } = await cli(["report", "-"], readFileSync(WRONG));
    expect(status).toBe(2);
    expect(stdout).toContain("stdin");
  });

  it("takes no input's place, and leaves nothing behind when it fails", async () => {
    const trace = path.join(folder, "trace.log.gz");
    writeFileSync(trace, readFileSync(WRONG));
    const { status, stderr } = await cli(["report", trace, "-o", trace]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("an input of this call")]);
    expect(readFileSync(trace)).toEqual(readFileSync(WRONG));
    const out = path.join(folder, "none.html");
    expect((await cli(["report", path.join(folder, "none.log"), "-o", out])).status).toBe(1);
    const bad = path.join(folder, "bad.txt");
    writeFileSync(bad, "nothing to see\n".repeat(10));
    expect((await cli(["report", bad, "-o", out])).stderr).toMatch(/bad\.txt/);
    expect(existsSync(out)).toBe(false);
  });

  it("wants a file on a terminal", async () => {
    const { status, stderr } = await onTerminal({ columns: 80 }, () => cli(["report", WRONG]));
    expect([status, stderr]).toEqual([1, expect.stringContaining("-o report.html")]);
  });

  it.each([
    ["a snapshot", "08-dma-api-dump.txt"],
    ["a kernel script", "25-kvm-bad-list.jsonl"],
  ])("calls nothing fine that has nothing to judge: %s", async (_, name) => {
    const file = path.resolve(import.meta.dirname, "../../cases", name);
    const { status, stdout, stderr } = await cli(["report", file]);
    expect([status, stderr]).toEqual([3, expect.stringContaining(`${name}: warning: not judged: `)]);
    expect(stdout).toContain("Nothing was judged.");
    expect(stdout).not.toContain("Nothing was found wrong.");
    expect(stdout).toContain("Not judged (1)");
  });

  const OPTIONS = [
    { name: "thresholds", args: ["--pool", "0", case_("17-rx-never-unmapped.txt")] },
    { name: "a mask", args: ["--dma-mask", "20", case_("03-ring-writeback-fault.txt")] },
    { name: "a filter", args: ["-F", "dma_map*: size > 4096", case_("17-rx-never-unmapped.txt")] },
    {
      name: "the kernel's log",
      args: ["--kernel-log", case_("03-faults.dmesg"), case_("03-ring-writeback-fault.txt")],
    },
    { name: "windows", args: ["--window", "0x80000000=0x0+1G,4K", WRONG] },
    { name: "windows of a simple trace", args: ["--window", "0x80000000=0x0+1G,4K", SIMPLE] },
    { name: "memory", args: ["--ram", "1M", WRONG] },
  ];
  it.each(some(OPTIONS, 3))("judges as check does, by its options: $name", async ({ args }) => {
    const checked = await cli(["check", "--output", "json", ...args]);
    const { status, stdout } = await cli(["report", ...args]);
    expect(status).toBe(checked.status);
    const [{ findings }] = JSON.parse(checked.stdout).files;
    expect(stdout.match(/id="f1-n\d+"/g) ?? []).toHaveLength(Math.min(findings.length, 200));
    for (const { message } of findings.slice(0, 200)) expect(textOf(stdout)).toContain(message);
  });

  it("says what its filter left out, and what the devices are", async () => {
    const file = case_("03-ring-writeback-fault.txt");
    const lspci = path.join(folder, "lspci.txt");
    writeFileSync(
      lspci,
      "0a:00.0 Ethernet controller [0200]: Some Card [8086:10d3]\n\tKernel driver in use: e1000e\n",
    );
    const { stdout } = await cli(["report", "--devices", lspci, "-F", "dma_*: size > 4096", file]);
    expect(textOf(stdout)).toMatch(/\d+ events that no filter takes/);
    expect(textOf(stdout)).toContain("0000:0a:00.0 (e1000e: ");
  });

  it("calls nothing fine where its filter takes nothing, as check does not", async () => {
    const args = [
      "-F",
      "dma_*: device == nosuch",
      path.join(TRACES, "dma-ppc64le-linux612-nvme-e1000.txt.gz"),
    ];
    const { status, stdout } = await cli(["report", ...args]);
    expect(textOf(stdout)).toContain("Nothing was found wrong in the events that the filter takes.");
    expect(textOf(stdout)).toContain("4,743 events that no filter takes");
    const checked = await cli(["check", ...args]);
    expect([status, checked.status]).toEqual([3, 3]);
    expect(checked.stdout).toContain("not judged: 4,743 events that no filter takes");
  });

  it("refuses what it cannot use", async () => {
    for (const args of [
      ["-F", "dma_map_page: nothing > 1"],
      ["--kernel-log", "/nonexistent"],
      ["--pool", "-1"],
    ]) {
      const { status, stderr } = await cli(["report", ...args, WRONG]);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/nothing|nonexistent|-1/)]);
    }
  });

  it("says that a file ends early, and reports what is there", async () => {
    const cut = path.join(folder, "cut.log.gz");
    const bytes = readFileSync(WRONG);
    writeFileSync(cut, bytes.subarray(0, bytes.length / 2));
    const { stdout, stderr } = await cli(["report", cut]);
    expect(stderr).toMatch(/cut\.log\.gz: warning: /);
    expect(stdout).toContain("Not judged");
  });
});
