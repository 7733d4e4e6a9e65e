import { describe, expect, it } from "vitest";
import { MadeCounter } from "../../../src/check/qemu/made-counter.ts";
import { create, HIGH, highPut, NEW_TABLE as NEW, put, stuff, xlate } from "../../helpers/qemu-lines.ts";
import { checkTrace } from "../checked.ts";

/** What is found, as kind, lines and pages. */
const found = (text: string, options = {}): unknown[] =>
  checkTrace(text, options).findings.map(({ kind, lines, pages }) => [kind, lines, pages]);

describe("a finding proves itself", () => {
  it.each([
    { name: "nothing", text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x0"), expected: [] },
    {
      name: "double-map",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x2003"),
      expected: [["double-map", [2, 3], 1]],
    },
    {
      name: "replaced-live",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x3003"),
      expected: [["replaced-live", [2, 3], 1]],
    },
    {
      name: "replaced-live, page after page",
      text:
        NEW +
        put("0x1000", "0x2003") +
        put("0x2000", "0x3003") +
        put("0x1000", "0x5003") +
        put("0x2000", "0x6003"),
      expected: [["replaced-live", [2, 4, 3, 5], 2]],
    },
    {
      name: "unmap-unmapped",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x0") + put("0x1000", "0x0"),
      expected: [["unmap-unmapped", [3, 4], 1]],
    },
    {
      name: "a new table that is cleared",
      text: NEW + stuff("0x200000", 512) + put("0x1000", "0x0"),
      expected: [],
    },
    {
      name: "a table that is cleared after use",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x0") + stuff("0x200000", 512),
      expected: [],
    },
    { name: "dma-fault", text: NEW + xlate("0x1234", "0x0", 0), expected: [["dma-fault", [2], 1]] },
    {
      name: "dma-fault outside",
      text: `${NEW}spapr_iommu_xlate liobn=0x80000000 0x40000000 -> 0x0 perm=0 mask=0xffffffff\n`,
      expected: [["dma-fault", [2], 1]],
    },
    {
      name: "dma-after-unmap",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x0") + xlate("0x1000", "0x0", 0).repeat(2),
      expected: [["dma-after-unmap", [3, 4, 5], 1]],
    },
    {
      name: "dma-after-unmap that is recorded as done",
      text: NEW + put("0x1000", "0x2003") + put("0x1000", "0x0") + xlate("0x1000", "0x2000", 3),
      expected: [["dma-after-unmap", [3, 4], 1]],
    },
    {
      name: "mismatch",
      text: NEW + put("0x1000", "0x2003") + xlate("0x1000", "0x5000", 3),
      expected: [["mismatch", [3], 1]],
    },
    {
      name: "refused-call, grouped",
      text: NEW + put("0x40000000", "0x2003", -4).repeat(3),
      expected: [["refused-call", [2, 3, 4], 1]],
    },
    { name: "window-overlap", text: NEW + create("0x20000000"), expected: [["window-overlap", [1, 3], 16]] },
    { name: "truncated", text: `${NEW}spapr_iommu_pci_put liobn=0x8`, expected: [["truncated", [2], 0]] },
    {
      name: "leak at removal",
      text: `${NEW}${create(HIGH)}${highPut(3, "0x50003")}spapr_iommu_ddw_remove liobn=0x80000001\n`,
      expected: [["leak", [4, 5], 1]],
    },
    {
      name: "a direct window may be removed as it is",
      text: `${NEW}${create(HIGH)}${highPut(3, "0x30003")}spapr_iommu_ddw_remove liobn=0x80000001\n`,
      expected: [],
    },
    {
      name: "direct-map-hole",
      text: NEW + create(HIGH) + highPut(0, "0x3") + highPut(1, "0x10003") + put("0x1000", "0x52003"),
      expected: [["direct-map-hole", [3], 1]],
    },
  ])("$name", ({ text, expected }) => {
    expect(found(text)).toEqual(expected);
  });

  it("knows where memory ends if it is told", () => {
    const text = NEW + put("0x1000", "0xf003") + put("0x2000", "0x10003");
    expect(found(text, { ram: 0x1_0000n })).toEqual([["beyond-ram", [3], 1]]);
  });

  it("tells what lies beyond memory once, for calls one after another, and of a list only what does", () => {
    const list = (ioba: string, last: string, tce: string): string =>
      `spapr_iommu_pci_indirect liobn=0x80000000 ioba=${ioba} tcelist=0x5000 iobaN=${last} tceN=${tce} ret=0\n`;
    const text =
      NEW + list("0x1000", "0x3", "0x11003") + list("0x5000", "0x1", "0x13003") + put("0x9000", "0x20003");
    const { findings } = checkTrace(text, { ram: 0x1_0000n });
    expect(findings.map(({ ioba, pages, lines, count }) => [ioba, pages, lines, count])).toEqual([
      [0x3000n, 4, [2, 3], 2],
      [0x9000n, 1, [4], 1],
    ]);
    expect(findings[0]!.message).toBe("maps 0x10000 (2 pages in this call), but memory ends at 0x10000");
  });

  it("tells a window that is used up", () => {
    let text = NEW + create(HIGH);
    for (let page = 0; page < 16; page++) text += highPut(page, `0x${(0x90 - page).toString(16)}0003`);
    expect(found(text, { freePages: 2 }).map((one) => (one as unknown[])[0])).toEqual(["window-full"]);
  });

  it("tells a window that is filled by calls for many pages", () => {
    expect(found(NEW + stuff("0x40000000", 262_144, "0x5003"))).toEqual([["window-full", [2], 262_144]]);
    expect(found(NEW + stuff("0x20000000", 131_072, "0x5003"))).toEqual([]);
  });

  it("passes over calls of a VIO unit that is the NVRAM and does no DMA", () => {
    const text = put("0x1000", "0x2003", 0, "0x71000000").replace("pci_", "");
    expect(found(text.repeat(2))).toEqual([]);
  });

  it("says where a DMA outside of its window went", () => {
    const text = `${NEW}spapr_iommu_xlate liobn=0x80000000 0x40003000 -> 0x0 perm=0 mask=0xffffffff\n`;
    expect(checkTrace(text).findings).toMatchObject([{ kind: "dma-fault", ioba: 0x4000_3000n, pages: 1 }]);
  });

  it("tells what was there all the time while thousands of its kind came and went", () => {
    let text = NEW;
    const cycle = (ioba: string): string => put(ioba, "0x2001") + put(ioba, "0x0");
    text += cycle("0x1000").repeat(1100) + put("0x9000", "0x7001") + cycle("0x1000").repeat(1100);
    expect(found(text)).toEqual([["leak", [2202], 1]]);
    // What a driver holds from its start was there before all others.
    const held = NEW + put("0x9000", "0x7001") + cycle("0x1000").repeat(2200);
    expect(found(held)).toEqual([]);
  });

  it.each([
    { leaks: 1, others: 40 },
    { leaks: 21, others: 260 },
  ])("tells $leaks of $others buffers that stay, while their memory is mapped again", ({ leaks, others }) => {
    let text = NEW;
    const buffer = (i: number, tce: string): string => put(`0x${(i * 0x1000).toString(16)}`, tce);
    const places: number[] = [];
    for (let i = 1; i <= others; i++) {
      text += buffer(i, `0x${((i % 8) + 0x80).toString(16)}003`);
      if (places.length < leaks && i >= 20 && i % 5 === 0) places.push(text.split("\n").length - 1);
      else text += buffer(i, "0x0");
    }
    const { findings } = checkTrace(text);
    expect(findings.map(({ kind, pages }) => [kind, pages])).toEqual(places.map(() => ["leak", 1]));
    expect(findings.map(({ lines }) => lines[0])).toEqual(places);
    // Without that evidence they may be what a driver holds.
    const apart = text.replaceAll(
      /tce=0x(8.)003/g,
      (_all, digits, at) => `tce=0x${at.toString(16)}${digits}003`,
    );
    expect(checkTrace(apart).findings).toEqual([]);
  });

  it("finds nothing where events are missing that may explain it", () => {
    const damaged = "spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0xZZ ret=0\n";
    const text =
      NEW + put("0x1000", "0x2003") + damaged + put("0x1000", "0x3003") + xlate("0x5000", "0x9000", 3);
    expect(found(text)).toEqual([["truncated", [3], 0]]);
  });
});

describe("MadeCounter", () => {
  it("never says that more was made than was, and forgets little", () => {
    const counter = new MadeCounter();
    for (let event = 0; event < 100_000; event++) counter.add(event, 1);
    for (const event of [0, 1, 999, 50_000, 99_998]) {
      const made = 99_999 - event;
      expect(counter.madeSince(event)).toBeLessThanOrEqual(made);
      expect(counter.madeSince(event)).toBeGreaterThanOrEqual(made - 64);
    }
  });
});
