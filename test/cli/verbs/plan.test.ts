import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { scratchFolder } from "../../helpers/scratch.ts";
import { cli } from "../cli.ts";

const folder = scratchFolder();
const TRACES = path.resolve(import.meta.dirname, "../../corpus/traces");
const DOMAIN = path.resolve(import.meta.dirname, "../../cases/machines/domain.xml");

function fileOf(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

describe("plan", () => {
  it("says what windows the guest gets, and what they cost", async () => {
    const { status, stdout } = await cli(["plan", DOMAIN, "--kernel", "6.12"]);
    expect(stdout).toContain("bridge 2");
    // disable_ddw: the guest asks for none of its own.
    expect(stdout).not.toContain("0x80000201");
    expect(stdout).toMatch(/all memory is plugged +6\d\.\d+ GiB/);
    expect(stdout).toMatch(/^ulimit -l \d+$/m);
    expect(stdout).toMatch(/^<memtune><hard_limit unit='KiB'>\d+<\/hard_limit><\/memtune>$/m);
    expect(status).toBe(0);
  });

  it("has the same as JSON, and windows as rows", async () => {
    const machine = fileOf("command-line", "qemu-system-ppc64 -nodefaults -m 4G -device nvme");
    const { stdout } = await cli(["plan", machine, "--kernel", "6.1", "--pass-through", "--output", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      kernel: "linux-6.1",
      windows: [
        { owner: "bridge 0", liobn: "0x80000000" },
        { liobn: "0x80000001", pageShift: 24, entries: 256 },
      ],
      refused: [],
      locked: { container: "spapr-v2" },
    });
    const rows = await cli(["plan", machine, "--kernel", "6.1", "--output", "jsonl"]);
    expect(
      rows.stdout
        .trim()
        .split("\n")
        .map((row) => JSON.parse(row).mapped),
    ).toEqual([0, 256]);
  });

  it("ends with 3 for what does not work as one would expect, with 2 for what fails", async () => {
    const machine = fileOf("small", "qemu-system-ppc64 -nodefaults -m 1G -device nvme");
    expect((await cli(["plan", machine, "--kernel", "7.2"])).status).toBe(3);
    expect((await cli(["plan", machine, "--kernel", "7.2", "--qemu", "11.1"])).status).toBe(0);
    const old = await cli(["plan", machine, "--kernel", "6.1", "--container", "v1", "--pass-through"]);
    expect(old.status).toBe(2);
    expect(old.stdout).toContain("error: QEMU stops when the guest does this");
  });

  it("explains a guest's kernel log", async () => {
    const log = fileOf(
      "dmesg",
      "[    6.3] nvme 0000:00:00.0: ibm,create-pe-dma-window(2027) 0 8000000 20000000 18 0 returned -3 (liobn = 0x0 starting addr = 0 0)\n",
    );
    const { status, stdout } = await cli(["plan", "--from", log]);
    expect(stdout).toContain("was refused with -3: the window is smaller than a page (QEMU-CREATE-1)");
    expect(stdout).toContain("-m SIZE,slots=1,maxmem=MORE");
    expect(status).toBe(3);
  });

  it.each([
    { args: [], says: "name a description of a machine, or --from a log" },
    { args: [DOMAIN], says: "the description does not say which kernel runs" },
    {
      args: [DOMAIN, "--kernel", "5.4"],
      says: 'no kernel "5.4": there are linux-6.1, linux-6.12, linux-7.2',
    },
    { args: [DOMAIN, "--from", DOMAIN], says: "name one of them" },
    { args: ["--from", DOMAIN], says: "no line of a guest's kernel tells of DMA windows" },
    { args: ["package.json"], says: "no description of a machine" },
  ])("says what is wrong: $args", async ({ args, says }) => {
    const { status, stderr } = await cli(["plan", ...args]);
    expect(stderr).toContain(says);
    expect([1, 63]).toContain(status);
  });
});

describe("run linux-guest", () => {
  it("compares the calls of a model with those of a recording", async () => {
    const name = path.join(TRACES, "refused-window-nvdimm-nvme-e1000-linux72");
    const { status, stdout } = await cli([
      "run",
      "linux-guest",
      "--machine",
      `${name}.json`,
      "--against",
      `${name}.log.gz`,
    ]);
    expect(stdout).toContain("514 calls for windows were compared");
    expect(stdout).toContain("direct DMA is limited by 200000000");
    expect(status).toBe(0);
  });

  it("shows the first difference side by side", async () => {
    const name = path.join(TRACES, "default-1g-nvme-e1000-linux72");
    const args = ["--machine", `${name}.json`, "--against", `${name}.log.gz`, "--kernel", "6.1"];
    const { status, stdout } = await cli(["run", "linux-guest", ...args]);
    expect(stdout).toMatch(/model +recorded, line 5\d\d/);
    expect(status).toBe(2);
  });

  it("wants a machine for its trace", async () => {
    const { status, stderr } = await cli(["run", "linux-guest", "--against", "x"]);
    expect(stderr).toContain("--against needs --machine");
    expect(status).toBe(1);
  });
});
