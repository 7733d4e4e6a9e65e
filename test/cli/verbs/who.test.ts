import path from "node:path";
import { describe, expect, it } from "vitest";
import { recordedFile } from "../../formats/migration/sources.ts";
import { scratchFolder } from "../../helpers/scratch.ts";
import { cli } from "../cli.ts";

const CASES = path.resolve(import.meta.dirname, "../../cases");
const CORPUS = path.resolve(import.meta.dirname, "../../corpus");
const RING = path.join(CASES, "03-ring-writeback-fault.txt");
const RX = path.join(CASES, "17-rx-never-unmapped.txt.gz");
const EPOCH = path.join(CASES, "epoch-times.log");
const SCRIPT = path.join(CASES, "readme-script.jsonl");
const KVM = path.join(CORPUS, "kvm/k01-create.jsonl.gz");
const SAVED = recordedFile(scratchFolder(), "pgsz-256m-linux61--pgsz-256m");

async function json(args: readonly string[], status = 0) {
  const ran = await cli([...args, "--output", "json"]);
  expect(ran.status, ran.stderr).toBe(status);
  return JSON.parse(ran.stdout);
}

describe("who", () => {
  it("names an address that is written without 0x, as traces have it", async () => {
    const { stderr, status } = await cli(["who", RING, "fec3a010"]);
    expect([status, stderr]).toEqual([
      1,
      'spapr-iommu: "fec3a010" is no address: in hexadecimal write 0xfec3a010\n',
    ]);
    expect((await cli(["who", RING, "1E"])).status).toBe(3);
    expect((await cli(["who", RING, "0xfec3a010", "--at", "end"])).stdout).toContain(" at the end,");
  });

  it("names who mapped and who unmapped the address of a fault", async () => {
    const { stdout, status } = await cli(["who", RING, "0xfec3a010"]);
    expect(status).toBe(0);
    expect(stdout).toContain("0000:0a:00.0: not mapped at that moment");
    expect(stdout).toContain("mapped: line 13, time 20.000000000, modprobe-901, CPU 1, dma_alloc");
    expect(stdout).toMatch(
      /unmapped: line 79, time 3600\.250000000, kworker\/3:1-88, CPU 3, dma_free, 59 min/,
    );
  });

  it("says what had it at a moment, and what lay around it", async () => {
    const { spaces, moment } = await json(["who", RING, "0xfec3a000+4K", "--at", "0.5s"]);
    expect(moment).toMatchObject({ event: 65, line: 78, time: "20.064000000", isEnd: false });
    expect(spaces).toHaveLength(1);
    expect(spaces[0].now[0].made).toEqual({
      call: "dma_alloc",
      event: 0,
      line: 13,
      time: "20.000000000",
      cpu: 1,
      pid: 901,
      task: "modprobe",
    });
    expect(spaces[0].now[0].ends[0]).toMatchObject({ fate: "unmapped", task: "kworker/3:1", line: 79 });
    expect(spaces[0].after).toMatchObject({ first: "0xfec3e000", distance: "0x3000", isAlive: true });
  });

  it("exits with 3 for what was never mapped, with the nearest mapping", async () => {
    const { found, spaces } = await json(["who", RING, "0xf0000000"], 3);
    expect([found, spaces[0].before, spaces[0].after.first]).toEqual([false, null, "0xfeb00000"]);
  });

  it.each([
    {
      file: RING,
      address: "0x120000010",
      space: "0000:0a:00.0",
      first: "0xfeb00000",
      call: "dma_map_page",
      at: "10",
    },
    {
      file: SCRIPT,
      address: "0x1000000",
      space: "0x80000001",
      first: "0x800000000010000",
      call: "h_put_tce",
      at: "1",
    },
  ])("finds what maps memory $address in $space", async ({ file, address, space, first, call, at }) => {
    const answer = await json(["who", file, address, "--physical", "--at", at]);
    expect(answer.spaces.map((one: { space: string }) => one.space)).toEqual([space]);
    const { ranges, made } = answer.spaces[0].now[0];
    expect([ranges[0].first, made.call]).toEqual([first, call]);
  });

  it("counts translations of a script at its lines", async () => {
    const { spaces } = await json(["who", SCRIPT, "0x800000000010000"]);
    expect(spaces[0].now[0]).toMatchObject({
      made: { call: "h_put_tce", line: 3 },
      uses: [{ kind: "translated", count: 1, first: { line: 4 } }],
    });
  });

  it("tells of tables of a host kernel and of a saved machine", async () => {
    const kernel = await json(["who", KVM, "0xffff000"]);
    expect(kernel.spaces[0].now[0].made.call).toMatch(/^(?:h_put_tce|kvm_table_write)/);
    const { groups } = await json(["alive", SAVED]);
    const [{ first }] = groups[0].mappings;
    const saved = await json(["who", SAVED, first]);
    expect(saved.spaces[0].now[0]).toMatchObject({ made: null, ranges: [{ first }] });
  });

  it.each([
    { args: ["0x1000-0x0"], says: /the range has no addresses/ },
    { args: ["0x1000+0"], says: /the range has no addresses/ },
    { args: ["0xffffffffffffffff+2"], says: /or more than there are/ },
    { args: ["door"], says: /"door" is not a size/ },
    {
      args: ["0x1000", "--device", "0000:00:01.0"],
      says: /nothing is mapped for "0000:00:01.0"; .* 0000:0a:00.0/,
    },
    {
      args: ["0x1000", "--at", "2.0"],
      says: /time 2\.0+ lies outside .* times 20\.0+ to 3603\.3140+.*first event is 2s/,
    },
    { args: ["0x1000", "--at", "4000s"], says: /4000 s after the first event lies outside/ },
    { args: ["0x1000", "--at", "134"], says: /event 134 lies outside .* events 0 to 133/ },
  ])("refuses $args", async ({ args, says }) => {
    const { status, stderr } = await cli(["who", RING, ...args]);
    expect(stderr).toMatch(says);
    expect(status).toBe(1);
  });
});

describe("who with two CPUs", () => {
  const line = (cpu: number, what: string): string =>
    `  task-${cpu} [00${cpu}] ..... 5.000000: ${what}: 0000:00:03.0 dir=TO_DEVICE dma_addr=1000 size=4096`;
  const text = (second: number): string =>
    `${line(0, "dma_unmap_page")} attrs=\n${line(0, "dma_map_page")} phys_addr=9000 attrs=\n${line(second, "dma_unmap_page")} attrs=\n`;

  it.each([
    { second: 1, notes: [/lines 3 \(CPU 1\) and 2 \(CPU 0\) have one time/] },
    { second: 0, notes: [] },
  ])("says that equal times have no order: CPU 0 and $second", async ({ second, notes }) => {
    const { stdout } = await cli(["who", "-", "0x1000"], text(second));
    for (const note of notes) expect(stdout).toMatch(note);
    expect(stdout.includes("which came first is not known")).toBe(notes.length > 0);
  });
});

describe("alive", () => {
  it("groups what is mapped by pattern, the oldest first", async () => {
    const { stdout } = await cli(["alive", RX]);
    expect(stdout).toContain("500 mappings are alive (4.34 MiB, 1 pattern) at the end, event 591");
    expect(stdout).toMatch(/0000:06:03\.0 {2}FROM_DEVICE {2}8\.89 KiB {2}irq\/18-rtl +500 /);
    const { count, groups } = await json(["alive", RX, "--by", "device,comm", "--top", "2"]);
    expect([count, groups[0].count, groups[0].mappings.length]).toEqual([500, 500, 2]);
    expect(groups[0]).not.toHaveProperty("size");
    expect(groups[0].oldest).toMatchObject({ line: 13, task: "irq/18-rtl" });
  });

  it("has a row for each mapping, sorted as is asked", async () => {
    const { stdout } = await cli([
      "alive",
      RING,
      "--at",
      "0.5s",
      "--sort",
      "size",
      "--output",
      "jsonl",
      "--top",
      "3",
    ]);
    const rows = stdout
      .trim()
      .split("\n")
      .map((row) => JSON.parse(row));
    expect(rows).toHaveLength(3);
    expect((await cli(["alive", RING, "--by", "door"])).stderr).toMatch(/"door" is nothing to group by/);
  });
});

describe("map, info and diff", () => {
  it("take a recording of Linux, with an address space a device", async () => {
    expect((await cli(["info", RX])).stdout).toContain("address-space: 0000:06:03.0\n  00000000f0000000-");
    const [space] = await json(["map", RX, "--device", "06:03.0"]);
    expect([space.space, space.mappings.length, space.moment.event]).toEqual(["0000:06:03.0", 500, 591]);
    const { stdout } = await cli(["diff", `${RING}@0.001s`, `${RING}@0.003s`]);
    expect(stdout).toContain(
      "mapped: 0000:0a:00.0 0xfeb01000-0xfeb016bf -> 0x120001000, 1.69 KiB, FROM_DEVICE",
    );
    expect(stdout).toMatch(/\n2 mappings mapped\n$/);
  });

  it("take scripts, whose windows are known", async () => {
    const windows = await json(["map", SCRIPT]);
    expect(windows.map(({ runs }: { runs: unknown[] }) => runs.length)).toEqual([0, 1]);
    expect((await json(["info", SCRIPT, "--at", "0"]))[1]).toMatchObject({ live: 0, moment: { line: 2 } });
    const [change] = await json(["diff", `${SCRIPT}@0`, SCRIPT]);
    expect(change).toMatchObject({ what: "entries", before: "0x0", after: "0x1000003", from: 0, to: 2 });
    expect((await json(["map", KVM]))[0]).toMatchObject({ space: "0x6", mappings: [{ first: "0xffff000" }] });
  });

  it("say which moment they show, counted from the first event or by the clock", async () => {
    const since = await json(["info", EPOCH, "--at", "2s"]);
    expect(since[0].moment).toMatchObject({ event: 1, time: "1795817852.916466000", sinceStart: 0.289461 });
    const clock = await json(["info", EPOCH, "--at", "1795817874.949458"]);
    expect(clock[0].moment).toMatchObject({ event: 2, time: "1795817874.949458000" });
    expect((await cli(["map", EPOCH, "--at", "2s"])).stdout).toContain(
      "at event 1 (line 2), 0.289461 s after",
    );
    expect((await cli(["map", EPOCH, "--at", "2.5"])).status).toBe(1);
  });
});

describe("an address that is used before the recording shows its map", () => {
  it("is not said to have been free", async () => {
    const text =
      "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n" +
      "spapr_iommu_xlate liobn=0x80000000 0x5000 -> 0x9000 perm=3 mask=0xfff\n";
    const { status, stdout } = await cli(["who", "-", "0x5000"], text);
    expect(status).toBe(3);
    expect(stdout).toContain("no map of it is in this file, but it was used");
    expect(stdout).not.toContain("never mapped");
  });
});
