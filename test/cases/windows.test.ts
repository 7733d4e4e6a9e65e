import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkTrace as checkInput } from "../../src/check/whole/check-trace.ts";
import { knownWindows } from "../../src/check/whole/known-windows.ts";
import { windowsAt } from "../../src/check/whole/windows-at.ts";
import { parseToldWindow } from "../../src/formats/machine/told-window.ts";
import { readCorpus } from "../helpers/corpus.ts";

const readCase = (name: string): string => readFileSync(path.join(import.meta.dirname, name), "utf8");
const check = (name: string, options = {}) => checkInput(readCase(name), { name, ...options });

const MEMORY_TREE = `FlatView #2
 AS "pci@800000020000000", root: pci@800000020000000.iommu-root
 Root memory region: pci@800000020000000.iommu-root
  0000000020000000-000000002fffffff (prio 0, i/o): tce-iommu-80000000
  0000040000000000-000004000000ffff (prio 0, i/o): msi
`;

describe("a window that starts at 0x20000000", () => {
  const name = "dma-win-addr-0x20000000.log";

  it("is found by what was mapped and read, with no mismatch", async () => {
    const { findings, mismatches, windows } = await check(name);
    expect(mismatches).toBe(0);
    expect(findings).toMatchObject([{ kind: "assumed-geometry", severity: "warning", ioba: 0x2000_0000n }]);
    expect(windows).toMatchObject([{ busOffset: 0x2000_0000n, pageShift: 12, assumedParts: ["size"] }]);
  });

  it.each([
    { by: "--window", windows: () => [parseToldWindow("0x80000000=0x20000000+256M,4K")] },
    { by: "the monitor's text", windows: () => knownWindows(MEMORY_TREE) },
    {
      by: "the header of a script",
      windows: () =>
        knownWindows('{"header":1,"phbs":[{"index":0,"dmaWinAddr":"0x20000000","dmaWinSize":"0x10000000"}]}'),
    },
  ])("is told by $by: then nothing is found", async ({ windows }) => {
    const report = await check(name, { windows: await windows() });
    expect(report.findings).toEqual([]);
    expect(report.windows).toMatchObject([{ busOffset: 0x2000_0000n, entries: 0x1_0000 }]);
    expect(report.notJudged).toEqual([]);
  });

  it("is named where somebody told another one: all mismatches are one", async () => {
    const { findings } = await check(name, { windows: [parseToldWindow("0x80000000=0x0+1G,4K")] });
    expect(findings).toMatchObject([
      {
        kind: "mismatch",
        count: 28,
        message: expect.stringContaining("all 28 go away if LIOBN 0x80000000 starts at 0x20000000"),
      },
    ]);
  });
});

describe("what is known of a window", () => {
  it("is taught by a save: pre-save-tells-geometry.log", async () => {
    const { findings, windows, notJudged } = await check("pre-save-tells-geometry.log");
    expect(findings).toEqual([]);
    const ofBridge3 = windows.filter(({ liobn }) => liobn === 0x8000_0300);
    expect(ofBridge3).toMatchObject([
      { busOffset: 0x2000_0000n, entries: 0x1_0000, assumed: false },
      { busOffset: 0x2000_0000n, entries: 0x1_0000, assumed: false },
    ]);
    expect(notJudged).toEqual([]);
  });

  it("is what a saved machine has, but for what its guest made", async () => {
    const windows = await knownWindows(
      readCorpus("migration", "virtio-blk-net-iommu-platform-linux612--virtio-ddw-mapped.mig"),
    );
    expect(windows).toEqual([{ liobn: 0x8000_0000, busOffset: 0n, bytes: 2n ** 30n, pageShift: 12 }]);
    const vio = await knownWindows(readCorpus("migration", "vio-vscsi-vlan-linux61--vio-after-io.mig"));
    expect(vio).toContainEqual({ liobn: 0x7100_0003, busOffset: 0n, bytes: 2n ** 28n, pageShift: 12 });
  });

  it("is what the header of a script says, for info and map: 12-fragmented.jsonl", async () => {
    const [window, ...more] = await windowsAt(readCase("12-fragmented.jsonl"));
    expect(more).toEqual([]);
    expect(window).toMatchObject({ entries: 256, pageShift: 12, assumed: false });
    expect(window!.table.validCount).toBe(128);
  });

  it("is read of a script: readme-script.jsonl", async () => {
    const windows = await windowsAt(readCase("readme-script.jsonl"));
    expect(windows.map(({ liobn, entries }) => [liobn, entries])).toEqual([
      [0x8000_0000, 0x4_0000],
      [0x8000_0001, 2 ** 31],
    ]);
  });

  it("is only counted while it looks as usual: epoch-times.log", async () => {
    const { findings, notJudged } = await check("epoch-times.log");
    expect(findings).toEqual([]);
    expect(notJudged).toMatchObject([
      { count: 2, reason: expect.stringContaining("windows whose geometry") },
    ]);
  });

  it.each([
    { text: "prose", message: /no DMA window is told of/ },
    {
      text: "  0000000000000000-0000000000000fff (prio 0, i/o): tce-iommu-123456789\n",
      message: /no DMA window/,
    },
  ])("is not read of $text", async ({ text, message }) => {
    await expect(knownWindows(text)).rejects.toThrow(message);
  });
});

it("contradicted guesses are findings: inferred-contradicted.log", async () => {
  const { findings } = await check("inferred-contradicted.log");
  expect(findings).toMatchObject([
    { kind: "inferred-contradicted", severity: "warning", lines: [3, 4, 5], count: 2 },
    { kind: "dma-fault", lines: [3, 6], message: expect.stringContaining("concluded from its last entry") },
  ]);
});

it("one unmap of 16 pages is missing: leak-nvme-not-found.log", async () => {
  const { findings } = await check("leak-nvme-not-found.log");
  expect(findings).toMatchObject([{ kind: "leak", ioba: 0x1836_0000n, pages: 16, lines: [126] }]);
});

describe("--window", () => {
  it.each([
    { text: "0x80000000=0x20000000+256M,4K", window: [0x8000_0000, 0x2000_0000n, 0x1000_0000n, 12] },
    { text: "0x80000001=0x800000000000000+128T,64K", window: [0x8000_0001, 1n << 59n, 1n << 47n, 16] },
    { text: "0x71000002=0+256M", window: [0x7100_0002, 0n, 0x1000_0000n, undefined] },
  ])("takes $text", ({ text, window }) => {
    const { liobn, busOffset, bytes, pageShift } = parseToldWindow(text);
    expect([liobn, busOffset, bytes, pageShift]).toEqual(window);
  });

  it.each([
    { text: "0x80000000", message: /is no window: write/ },
    { text: "0x80000000=0+1G,5K", message: /0x1400 is no size of a page/ },
    { text: "0x80000000=0+1G,2K", message: /no size of a page/ },
    { text: "0x80000000=0+6K,4K", message: /not from 1 to 2\^32 - 1 pages/ },
    { text: "0x80000000=0+0,4K", message: /not from 1/ },
    { text: "0x80000000=0xfffffffffffff000+8K,4K", message: /ends behind 2\^64/ },
    { text: "0x180000000=0+1G,4K", message: /more than 32 bits/ },
    { text: "0x80000000=a+1G,4K", message: /is not a size/ },
  ])("refuses $text", ({ text, message }) => {
    expect(() => parseToldWindow(text)).toThrow(message);
  });
});
