import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readSidecar } from "../../helpers/corpus.ts";
import { cli } from "../cli.ts";

const TRACES = path.resolve(import.meta.dirname, "../../corpus/traces");
const trace = (name: string): string => path.join(TRACES, name);
const FAULTS = trace("faults-stray-dma-e1000-nvme-linux61.log.gz");
const BOOT = trace("nvme-e1000-1g-linux61.log.gz");
const TIMES = trace("nvme-4g-parallel-io-linux612-timestamps.log.gz");
const folder = mkdtempSync(path.join(tmpdir(), "check-"));
afterAll(() => rmSync(folder, { recursive: true }));
const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
const PUT = "spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n";

describe("check", () => {
  it.each([
    { name: "nothing wrong", files: [BOOT], status: 0 },
    { name: "binary", files: [trace("simple-nvme-e1000-1g-linux61.simple.gz")], status: 0 },
    { name: "dma events", files: [trace("dma-ppc64le-linux72-nvme-e1000.txt.gz")], status: 0 },
    {
      name: "only what is missing",
      files: [trace("simple-killed-under-load-nvme-e1000-linux61.simple.gz")],
      status: 3,
    },
    { name: "a fault", files: [BOOT, FAULTS], status: 2 },
  ])("exits $status: $name", async ({ files, status }) => {
    expect((await cli(["check", ...files])).status).toBe(status);
  });

  it("takes a log for each process where the name has %d, as QEMU's -D has it", async () => {
    const logs = mkdtempSync(path.join(folder, "split-"));
    for (const [process, text] of [
      ["9", NEW + PUT],
      ["10", NEW],
      ["x", ""],
    ]) {
      writeFileSync(path.join(logs, `qemu-${process}.log`), text!);
    }
    const { stdout } = await cli(["check", path.join(logs, "qemu-%d.log"), "--output", "json"]);
    const { files } = JSON.parse(stdout);
    expect(
      files.map(({ file, events }: { file: string; events: number }) => [path.basename(file), events]),
    ).toEqual([
      ["qemu-9.log", 2],
      ["qemu-10.log", 1],
    ]);
    const none = await cli(["check", path.join(logs, "other-%d.log")]);
    expect(none.status).toBe(1);
    expect(none.stderr).toContain("other-%d.log");
  });

  it("prints all that it knows as JSON", async () => {
    const { status, stdout } = await cli(["check", FAULTS, "--output", "json"]);
    expect(status).toBe(2);
    const { files } = JSON.parse(stdout);
    expect(Object.keys(files[0])).toEqual(
      "file format events skippedLines verified mismatches judged notJudged bounced windows findings".split(
        " ",
      ),
    );
    expect(files[0]).toMatchObject({ format: "qemu-log", events: 1623, mismatches: 0 });
    expect(files[0].windows[0]).toMatchObject({
      liobn: "0x80000000",
      busOffset: "0x0",
      pageShift: 12,
      entries: 262144,
      createdAt: 0,
      removedAt: null,
      inferred: 0,
      unknown: 0,
    });
    expect(files[0].findings[0]).toMatchObject({
      kind: "dma-after-unmap",
      severity: "error",
      liobn: "0x80000000",
      ioba: "0x1000",
      pages: 1,
    });
    expect(files[0].findings[0].lines.slice(0, 2)).toEqual(
      [1202, 1491].map((line, i) => (i === 0 ? line : expect.any(Number))),
    );
  });

  it("reads standard input, and filters", async () => {
    const text = NEW + PUT + PUT;
    expect((await cli(["check", "-"], text)).stdout).toContain(
      "stdin:3: warning: double-map: liobn 0x80000000 0x0000000000001000",
    );
    expect((await cli(["check", "-"], text)).status).toBe(3);
    expect((await cli(["check", "-", "-F", "new_table", "-F", "pci_put: ioba >= 0x2000"], text)).status).toBe(
      0,
    );
  });

  it("takes thresholds", async () => {
    const text = NEW + PUT;
    const { status, stdout } = await cli(["check", "-", "--ram", "4K"], text);
    expect(status).toBe(2);
    expect(stdout).toContain("beyond-ram");
  });

  it("reads a packed file that ends early as far as it goes", async () => {
    const bytes = readFileSync(BOOT);
    const cut = path.join(folder, "cut.log.gz");
    writeFileSync(cut, bytes.subarray(0, bytes.length - 2000));
    const { status, stdout } = await cli(["check", cut]);
    expect(status).toBe(3);
    expect(stdout).toContain("truncated: ");
    expect(stdout).toContain("the gzip data ends early");
  });

  it.each([
    { name: "of a kernel", text: "[    1.000000] Booting\n", status: 0, says: "not judged: 1 kernel log" },
    { name: "that is none", text: "This is prose.\n", status: 3, says: "not judged: 1 kernel log" },
    { name: "that is empty", text: "", status: 3, says: "not judged: 1 kernel log" },
    {
      name: "that is no text",
      text: "PK\u0003\u0004\u0014\0",
      status: 63,
      says: "none.dmesg: no event that is known here: it looks like a zip archive; unpack it first",
    },
  ])("exits $status beside a log $name", async ({ text, status, says }) => {
    const log = path.join(folder, "none.dmesg");
    writeFileSync(log, text);
    const dma = trace("dma-ppc64le-linux72-nvme-e1000.txt.gz");
    const done = await cli(["check", dma, "--kernel-log", log]);
    expect(done.status).toBe(status);
    expect(`${done.stdout}${done.stderr}`.replaceAll(/\s+/g, " ")).toContain(says);
  });

  it.each([
    { name: "no file", args: ["check", "nowhere.log"], status: 1, message: "no such file" },
    {
      name: "no trace",
      args: ["check", "package.json"],
      status: 63,
      message: "no event that is known here: it looks like JSON",
    },
    { name: "empty", args: ["check", "-"], status: 63, message: "the file is empty" },
    {
      name: "bad filter",
      args: ["check", BOOT, "-F", "pci_putt"],
      status: 1,
      message: 'no event is named "pci_putt"',
    },
    {
      name: "unknown field",
      args: ["check", trace("dma-ppc64le-linux72-nvme-e1000.txt.gz"), "-F", "dma_map_phys: colour == 3"],
      status: 1,
      message:
        'filter, column 15: no field "colour" in the events of this filter, which have device, dma_addr',
    },
    {
      name: "filter of the other system",
      args: ["stat", BOOT, "-F", "dma_*"],
      status: 63,
      message: "the filters name events of Linux, and this is a recording of QEMU",
    },
    {
      name: "more than all",
      args: ["check", BOOT, "--full-at", "200"],
      status: 1,
      message:
        "'--full-at <percent>' argument '200' is invalid. \"200\": expected a whole number from 0 to 100",
    },
    {
      name: "no threshold",
      args: ["check", BOOT, "--pool", "1.5"],
      status: 1,
      message: "'--pool <count>' argument '1.5' is invalid",
    },
    {
      name: "no finding of that number",
      args: ["shrink", FAULTS, "--finding", "99"],
      status: 1,
      message: "has findings 1 to ",
    },
    { name: "bad size", args: ["check", BOOT, "--ram", "much"], status: 1, message: '"much" is not a size' },
    { name: "bad moment", args: ["map", BOOT, "--at", "noon"], status: 1, message: '"noon" is no moment' },
    { name: "no times", args: ["map", BOOT, "--at", "1.5"], status: 1, message: "has no times" },
    {
      name: "no window",
      args: ["map", BOOT, "--liobn", "0x5"],
      status: 1,
      message: "no window has LIOBN 0x5",
    },
    {
      name: "no finding",
      args: ["shrink", BOOT, "--finding", "1"],
      status: 1,
      message: "check finds nothing in ",
    },
    {
      name: "no windows",
      args: ["info", "--migration", trace("dma-ppc64le-linux72-nvme-e1000.txt.gz")],
      status: 63,
      message: "not windows",
    },
  ])("says what is wrong: $name", async ({ args, status, message }) => {
    const result = await cli(args);
    expect({ status: result.status, stdout: result.stdout }).toEqual({ status, stdout: "" });
    expect(result.stderr).toContain(message);
  });
});

describe("map, info, diff and stat", () => {
  it("shows the mappings as runs, as another reader found them", async () => {
    const { stdout } = await cli(["map", BOOT, "--output", "json"]);
    const windows = JSON.parse(stdout) as { liobn: string; runs: { pages: number }[] }[];
    const { facts } = readSidecar("traces", "nvme-e1000-1g-linux61");
    const alive = facts.live_entries_at_the_end_as_far_as_the_trace_tells as Record<
      string,
      { nonzero_entries: number }
    >;
    for (const { liobn, runs } of windows) {
      expect(runs.reduce((sum, { pages }) => sum + pages, 0)).toBe(alive[liobn]!.nonzero_entries);
    }
    const raw = JSON.parse(
      (await cli(["map", BOOT, "--output", "json", "--raw", "--liobn", "0x80000001"])).stdout,
    );
    expect(Object.keys(raw[0])).toEqual([
      "liobn",
      "busOffset",
      "pageShift",
      "entries",
      "bypass",
      "defWin",
      "tces",
    ]);
    expect(raw[0].tces[1]).toEqual([1, "0x1000003"]);
  });

  it.each(["map", "info", "alive"])("%s takes the end for a moment", async (verb) => {
    const log = NEW + PUT;
    const named = await cli([verb, "-", "--at", "end", "--output", "json"], log);
    expect(named).toEqual(await cli([verb, "-", "--output", "json"], log));
    expect(named.status).toBe(0);
  });

  it("goes back in time, by event and by time", async () => {
    const before = JSON.parse((await cli(["map", "-", "--at", "0", "--output", "json"], NEW + PUT)).stdout);
    const after = JSON.parse((await cli(["map", "-", "--at", "1", "--output", "json"], NEW + PUT)).stdout);
    expect([before[0].runs.length, after[0].runs.length]).toEqual([0, 1]);
    expect(after[0].runs[0]).toEqual({
      ioba: "0x1000",
      target: "0x2000",
      pages: 1,
      perm: "rw",
      certainty: "known",
    });
    const { status, stdout } = await cli(["diff", `${TIMES}@20000`, `${TIMES}@20010`, "--output", "json"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).length).toBeGreaterThan(0);
  });

  it("counts what devices do in each direction, and filters that", async () => {
    const recording = trace("dma-ppc64le-linux612-nvme-e1000.txt.gz");
    const human = await cli(["stat", recording]);
    expect(human.stdout).toContain("device 0000:00:04.0, FROM_DEVICE");
    expect(human.stdout).toContain("2,341 mapped, 232 a second, 2,085 unmapped");
    expect(human.stdout).toContain("time between map and unmap");
    const filter = "dma: device == 0000:00:03.0 && dir == TO_DEVICE";
    const { stdout } = await cli(["stat", recording, "-F", filter, "--output", "json"]);
    const { events, devices } = JSON.parse(stdout);
    expect(events).toBe(20);
    expect(devices).toHaveLength(1);
    expect(devices[0]).toMatchObject({
      device: "0000:00:03.0",
      direction: "TO_DEVICE",
      events: { dma_map_page: 2, dma_unmap_page: 2, dma_map_sg: 8, dma_unmap_sg: 8 },
      mapped: 10,
      unmapped: 10,
    });
  });

  it("draws the windows as a tree", async () => {
    const { stdout } = await cli(["info", BOOT]);
    expect(stdout).toContain("address-space: pci@0");
    expect(stdout).toContain("0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-80000000");
    expect(stdout).toContain("0800000000000000-");
  });

  it("counts", async () => {
    const { stdout } = await cli(["stat", TIMES, "--output", "json"]);
    const report = JSON.parse(stdout);
    const { facts } = readSidecar("traces", "nvme-4g-parallel-io-linux612-timestamps");
    expect(report.seconds).toBeGreaterThan(1);
    const events = report.windows.flatMap((window: { events: object }) => Object.entries(window.events));
    expect(Object.fromEntries(events)).toEqual(facts.event_counts);
  });
});

describe("shrink", () => {
  it.each([
    { name: "faults", file: FAULTS, finding: "1", kind: "dma-after-unmap", operations: 3 },
    {
      name: "a double unmap",
      file: trace("lsi-that-times-out-linux612.log.gz"),
      finding: "1",
      kind: "unmap-unmapped",
      operations: 3,
    },
  ])("writes a few operations that show the same: $name", async ({ file, finding, kind, operations }) => {
    const { status, stdout } = await cli(["shrink", file, "--finding", finding]);
    expect(status).toBe(0);
    expect(stdout.trim().split("\n")).toHaveLength(operations + 1);
    const script = path.join(folder, `${kind}.jsonl`);
    writeFileSync(script, stdout);
    const checked = await cli(["check", script, "--output", "json"]);
    expect(JSON.parse(checked.stdout).files[0].findings).toMatchObject([{ kind }]);
    expect((await cli(["exec", "--check", script])).status).toBe(0);
  });

  it("says of what it cannot read twice that it is that, and of what is not there that it is not", async () => {
    const messageOf = async (name: string): Promise<string> =>
      (await cli(["shrink", name, "--finding", "1"])).stderr;
    const once = /can be read only once, and a trace is read twice to reduce it: write it to a file first/;
    expect(await messageOf("-")).toMatch(once);
    expect(await messageOf("/dev/null")).toMatch(once);
    expect(await messageOf(path.join(folder, "nowhere.log"))).toMatch(/nowhere.log: no such file/);
    expect(await messageOf(folder)).toMatch(/is a folder/);
  });
});
