import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../cli.ts";

const CORPUS = path.resolve(import.meta.dirname, "../../corpus");
const STACKS = path.join(CORPUS, "traces/dma-x86-linux612-vtd-trace-cmd-report-stacks.txt.gz");
const NO_STACKS = path.join(CORPUS, "traces/dma-ppc64le-linux72-planted.txt.gz");
const QEMU = path.resolve(import.meta.dirname, "../../cases/epoch-times.log");
const LSPCI = `\
00:00.0 Host bridge [0600]: Intel Corporation 82G33/G31/P35/P31 Express DRAM Controller [8086:29c0]
	Subsystem: Red Hat, Inc. QEMU Virtual Machine [1af4:1100]
00:03.0 Non-Volatile memory controller [0108]: Red Hat, Inc. QEMU NVM Express Controller [1b36:0010] (rev 02)
	Subsystem: Red Hat, Inc. QEMU NVM Express Controller [1af4:1100]
	Kernel driver in use: nvme
	Kernel modules: nvme
`;

let folder = "";
const at = (name: string): string => path.join(folder, name);
/** The recording with an unmap in another direction than its map. */
const WRONG = "wrong.txt";

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "stacks-"));
  const lines = gunzipSync(readFileSync(STACKS)).toString().split("\n");
  const unmap = lines.findIndex((line) => / dma_unmap_page: .*dma_addr=fffbd000 /.test(line));
  lines[unmap] = lines[unmap]!.replace("FROM_DEVICE", "TO_DEVICE");
  writeFileSync(at(WRONG), lines.join("\n"));
  writeFileSync(at("lspci.txt"), LSPCI);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function json(args: readonly string[]) {
  const { stdout, stderr } = await cli([...args, "--output", "json"]);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("call stacks", () => {
  it("stand below a finding: who mapped, and who unmapped", async () => {
    const { stdout, status } = await cli(["check", at(WRONG)]);
    expect(status).toBe(2);
    const [finding, map, unmap] = stdout.split("\n");
    expect(finding).toMatch(/: direction-mismatch: 0000:00:03.0 0x00000000fffbd000: .* \[1\]$/);
    expect(map).toMatch(
      /^ {4}dma_map_page \(line 562\) by nvme_prep_rq\S* \(\w+\) <- nvme_queue_rq .* <- …$/,
    );
    expect(unmap).toMatch(/^ {4}dma_unmap_page \(line 580\) by nvme_pci_complete_rq /);
    const [{ findings }] = (await json(["check", at(WRONG)])).files;
    expect(findings[0].stack).toMatchObject([
      { call: "dma_map_page", event: 27, line: 562 },
      { call: "dma_unmap_page", event: 28, line: 580 },
    ]);
    expect(findings[0].stack[0].frames.length).toBeGreaterThan(4);
  });

  it("are in SARIF as stacks", async () => {
    const { stdout } = await cli(["check", at(WRONG), "--output", "sarif"]);
    const [{ stacks }] = JSON.parse(stdout).runs[0].results;
    expect(stacks[1].message.text).toBe("dma_unmap_page (line 580)");
    const name = stacks[1].frames[0].location.logicalLocations[0].fullyQualifiedName;
    expect(name).toBe("nvme_pci_complete_rq (ffffffffc03c231f)");
  });

  it("group what is alive", async () => {
    const { groups } = await json(["alive", STACKS, "--by", "stack", "--sort", "size"]);
    const summed = groups.map((group: { stack: string[]; count: number; bytes: number }) => [
      group.stack.length,
      group.stack[0]!.split(" ")[0],
      group.count,
      group.bytes,
    ]);
    expect(summed).toEqual([
      [4, "nvme_alloc_queue", 2, 131_072],
      [4, "nvme_alloc_queue", 2, 32_768],
      [4, "nvme_alloc_queue", 1, 2048],
      [4, "nvme_alloc_queue", 1, 512],
      [4, "nvme_dbbuf_dma_alloc", 1, 24],
      [4, "nvme_dbbuf_dma_alloc", 1, 24],
    ]);
    const { stdout } = await cli(["alive", STACKS, "--by", "stack", "--top", "1"]);
    expect(stdout).toMatch(/called by/);
    expect(stdout).toMatch(/nvme_alloc_queue \(\w+\) <- nvme_pci_enable \(ffffffffc03c0602\) <- nvme_probe/);
  });

  it("say who mapped an address", async () => {
    const { stdout } = await cli(["who", STACKS, "0xfffe0000"]);
    expect(stdout).toMatch(
      /mapped: line 2246, .*\n {6}by nvme_alloc_queue \(ffffffffc03bf935\) <- nvme_setup_io/,
    );
  });

  it("are counted by stat: all calls, and what is alive of what was mapped", async () => {
    const { stacks, events } = await json(["stat", STACKS, "--by", "stack"]);
    const sum = (
      of: (row: { events: Record<string, number>; alive: number; mapped: number }) => number,
    ): number => stacks.reduce((total: number, row: never) => total + of(row), 0);
    expect(sum((row) => Object.values(row.events).reduce((a, b) => a + b, 0))).toBe(events);
    expect(sum(({ mapped }) => mapped)).toBe(61);
    expect(sum(({ alive }) => alive)).toBe(8);
    expect(stacks[0]).toMatchObject({ events: { dma_map_page: 22 }, mapped: 22, alive: 0 });
    const { stdout } = await cli(["stat", STACKS, "--by", "stack", "--top", "2"]);
    expect(stdout).toMatch(/and \d+ more \(--top\)/);
  });

  it.each([
    { weight: "events", total: 124 },
    { weight: "bytes-alive", total: 166_448 },
  ])("are folded, with $weight as their weight", async ({ weight, total }) => {
    const out = at(`${weight}.folded`);
    const { status } = await cli(["convert", STACKS, out, "--weight", weight, "-q"]);
    expect(status).toBe(0);
    const lines = readFileSync(out, "utf8").trimEnd().split("\n");
    const weights = lines.map((line) => Number(/ (\d+)$/.exec(line)![1]));
    expect(weights.reduce((a, b) => a + b, 0)).toBe(total);
    expect(lines.every((line) => /^[^;]+;.*;nvme_\S+;dma_\w+ \d+$/.test(line))).toBe(true);
  });

  it.each([
    ["stat", NO_STACKS, "--by", "stack"],
    ["stat", QEMU, "--by", "stack"],
    ["convert", NO_STACKS, "OUT"],
    ["convert", QEMU, "OUT"],
  ])("that are not there are not shown as none: %s %s", async (...args) => {
    const out = at("none.folded");
    const { status, stdout, stderr } = await cli(args.map((arg) => (arg === "OUT" ? out : arg)));
    expect([status, stdout]).toEqual([63, ""]);
    expect(stderr).toMatch(
      /no call stacks; record them .*stacktrace, trace-cmd record -T, or perf record -g/,
    );
    expect(() => readFileSync(out)).toThrow(/ENOENT/);
  });

  it("have a weight only where they are written", async () => {
    const { status, stderr } = await cli(["convert", STACKS, at("x.csv"), "--weight", "events"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("--weight is for call stacks")]);
  });
});

describe("--devices", () => {
  const devices = (): string[] => ["--devices", at("lspci.txt")];
  const TEXT = "0000:00:03.0 (nvme: Red Hat, Inc. QEMU NVM Express Controller)";
  const named = { driver: "nvme", deviceName: "Red Hat, Inc. QEMU NVM Express Controller" };

  it("names the device of a finding, of a mapping and of what is alive", async () => {
    expect((await cli(["check", at(WRONG), ...devices()])).stdout).toContain(
      `direction-mismatch: ${TEXT} 0x`,
    );
    expect((await cli(["who", STACKS, "0xfffe0000", ...devices()])).stdout).toContain(`${TEXT}: mapped`);
    expect((await cli(["alive", STACKS, ...devices()])).stdout).toContain(TEXT);
    expect((await json(["check", at(WRONG), ...devices()])).files[0].findings[0]).toMatchObject(named);
    expect((await json(["who", STACKS, "0xfffe0000", ...devices()])).spaces[0]).toMatchObject(named);
    expect((await json(["alive", STACKS, ...devices()])).groups[0]).toMatchObject(named);
  });

  it("wants a text with devices", async () => {
    const { status, stderr } = await cli(["alive", STACKS, "--devices", at(WRONG)]);
    expect([status, stderr]).toEqual([
      63,
      expect.stringMatching(/wrong\.txt: no PCI device in it: .* lspci -nnk/),
    ]);
  });
});

describe("--window", () => {
  const windowOf = (page: string): string[] => ["--window", `0x80000000=0x20000000+256M,${page}`];
  const line = (name: string, rest: string): string => `spapr_iommu_${name} liobn=0x80000000 ${rest}\n`;
  const PUT = line("pci_put", "ioba=0x20010000 tce=0x50003 ret=0");

  it("says to who what a translation translated", async () => {
    const log = PUT + line("xlate", "0x10000 -> 0x50000 perm=3 mask=0xfff");
    const usesOf = async (args: string[]) => {
      const { stdout } = await cli(["who", "-", "0x20010000", "--output", "json", ...args], log);
      return JSON.parse(stdout).spaces[0].now[0].uses.map(({ kind }: { kind: string }) => kind);
    };
    expect(await usesOf([])).toEqual([]);
    expect(await usesOf(windowOf("4K"))).toEqual(["translated"]);
  });

  /** Another 4 KiB page, and the same one of 64 KiB. */
  const UNMAP = line("pci_put", "ioba=0x20011000 tce=0x0 ret=0");

  it.each([
    { args: [], alive: /1 mapping is alive/, unmapped: /1 page mapped, 0 unmapped/ },
    { args: windowOf("64K"), alive: /0 mappings are alive/, unmapped: /1 page mapped, 1 unmapped/ },
  ])("is taken by alive and stat: $args", async ({ args, alive, unmapped }) => {
    expect((await cli(["alive", "-", ...args], PUT + UNMAP)).stdout).toMatch(alive);
    expect((await cli(["stat", "-", ...args], PUT + UNMAP)).stdout).toMatch(unmapped);
  });

  it.each([
    { args: [], row: /^0,0x80000000,0x20010000,1,12,4096,/m },
    { args: windowOf("64K"), row: /^0,0x80000000,0x20010000,1,16,65536,/m },
  ])("is taken by convert: $args", async ({ args, row }) => {
    writeFileSync(at("put.log"), PUT);
    const out = at("put.csv");
    await cli(["convert", at("put.log"), out, "--table", "mappings", "-f", "-q", ...args]);
    expect(readFileSync(out, "utf8")).toMatch(row);
  });

  it("is for events: a saved machine says itself what windows it has", async () => {
    const saved = path.join(CORPUS, "migration/pgsz-256m-linux61--pgsz-256m.mig.gz");
    const { status, stderr } = await cli(["convert", saved, at("out.mig"), ...windowOf("4K")]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("--window is for events")]);
  });
});
