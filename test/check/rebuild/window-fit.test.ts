import { describe, expect, it } from "vitest";
import { hex } from "../../../src/base/u64.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { checkTrace } from "../checked.ts";
import { rebuild } from "./rebuilt.ts";

const LIOBN = 0x8000_0000;
const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
const RESET = "spapr_iommu_ddw_reset buid=0x800000020000000 addr=0x0\n";
const put = (ioba: number, tce: number, ret = 0): string =>
  `spapr_iommu_pci_put liobn=0x80000000 ioba=${hex(ioba)} tce=${hex(tce)} ret=${ret}\n`;
const xlate = (offset: number, to: number, perm = 3, mask = "0xfff"): string =>
  `spapr_iommu_xlate liobn=0x80000000 ${hex(offset)} -> ${hex(to)} perm=${perm} mask=${mask}\n`;
const outside = (offset: number): string => xlate(offset, 0, 0, "0xffffffff");
const START = 0x2000_0000;
const GIB = 2 ** 30;

/** Where the window lies at the end, and how that is known. */
function shapeOf(text: string) {
  const { windows, counts } = rebuild(text);
  const { window, evidence } = windows.get(LIOBN)!;
  const { start, page, size, least } = evidence;
  return {
    at: Number(window.busOffset),
    bytes: Number(window.sizeBytes),
    pageShift: window.pageShift,
    start,
    page,
    size,
    least,
    mismatches: counts.mismatches,
  };
}

/** Pages that were mapped at a bus address and are read at an offset. */
const moved = (start: number): string =>
  put(start + 0x1000, 0x7003) +
  put(start + 0x5000, 0x9001) +
  xlate(0x1000, 0x7000) +
  xlate(0x5000, 0x9000, 1);

describe("a dynamic window that a trace does not tell of", () => {
  // Below the usual place of such windows, 2^59, and behind the end of the largest one there.
  it.each([2n ** 40n, 2n ** 59n, 10n * 2n ** 56n])(
    "starts at %i, if calls and translations show that",
    (start) => {
      const seed = runSeed();
      const random = new Random(seed);
      const liobn = 0x8000_0001;
      const lines = [`spapr_iommu_xlate liobn=0x80000001 0x0 -> 0x100000 perm=3 mask=0xffff`];
      for (let event = 0; event < 60; event++) {
        // High pages first.
        const offset = BigInt(1000 - event + random.below(20)) << 16n;
        const target = BigInt(1000 + event) << 16n;
        lines.push(
          `spapr_iommu_pci_put liobn=0x80000001 ioba=${hex(start + offset)} tce=${hex(target | 3n)} ret=0`,
          `spapr_iommu_xlate liobn=0x80000001 ${hex(offset)} -> ${hex(target)} perm=3 mask=0xffff`,
        );
      }
      const text = `${lines.join("\n")}\n`;
      const { window, evidence } = rebuild(text).windows.get(liobn)!;
      expect([window.busOffset, evidence.start], `seed ${seed}`).toEqual([start, "shown"]);
      expect(checkTrace(text).findings.filter(({ kind }) => kind === "mismatch")).toEqual([]);
    },
  );
});

describe("a translation that finds nothing, in a window whose start is not known", () => {
  it("is told if nothing shows another start", () => {
    const { findings } = checkTrace(NEW + put(START + 4 * GIB, 0x5003) + xlate(0, 0, 0));
    expect(findings.filter(({ kind }) => kind === "mismatch")).toMatchObject([{ lines: [3] }]);
  });

  it("is none of another entry, if another start is shown later", () => {
    const far = 8 * GIB;
    const { mismatches, start, at } = shapeOf(
      NEW +
        put(far + 0x1000, 0x5003) +
        xlate(0, 0, 0) +
        put(far + 0x2000, 0x7003) +
        put(far + 0x3000, 0x9003) +
        xlate(0x2000, 0x7000) +
        xlate(0x3000, 0x9000),
    );
    expect({ mismatches, start, at }).toEqual({ mismatches: 0, start: "shown", at: far });
  });
});

describe("a window that a trace does not tell the geometry of", () => {
  it.each([
    {
      name: "is as usual at first",
      text: NEW,
      shape: { at: 0, bytes: GIB, start: "assumed", size: "assumed" },
    },
    {
      name: "starts where it is read as it was mapped",
      text: NEW + put(0x1000, 0x7003) + xlate(0x1000, 0x7000),
      shape: { at: 0, start: "shown", page: "shown", mismatches: 0 },
    },
    {
      name: "starts where pages are read at an offset that were mapped elsewhere",
      text: NEW + moved(START),
      shape: { at: START, bytes: GIB, start: "shown", size: "assumed", least: 6, mismatches: 0 },
    },
    {
      name: "does not start behind an address that a call used",
      text: NEW + put(START - 0x1000, 0) + moved(START),
      shape: { at: 0, mismatches: 2 },
    },
    {
      name: "is not moved by one page alone",
      text: NEW + put(START, 0x7003) + xlate(0, 0x7000),
      shape: { at: 0, mismatches: 1 },
    },
    {
      name: "stays where it is once it is shown",
      text: NEW + put(0, 0x5003) + xlate(0, 0x5000) + moved(START),
      shape: { at: 0, start: "shown", mismatches: 2 },
    },
    {
      name: "is taken to start at the first address that was used, if that lies beyond the usual end",
      text: NEW + put(3 * GIB, 0x7003) + put(3 * GIB + 0x5000, 0x8003),
      shape: { at: 3 * GIB, bytes: GIB, start: "assumed", size: "assumed", mismatches: 0 },
    },
    {
      name: "is longer if a call beyond the usual end succeeds, and one before it did",
      text: NEW + put(0x1000, 0x6003) + put(3 * GIB, 0x7003),
      shape: { at: 0, bytes: 4 * GIB, size: "assumed", mismatches: 0 },
    },
    {
      name: "is taken to start where it is usual if a call before the usual end succeeds",
      text: NEW + put(3 * GIB, 0x7003) + put(0x1000, 0x6003),
      shape: { at: 0, bytes: 4 * GIB, least: 3 * 0x4_0000 + 1, mismatches: 0 },
    },
    {
      name: "starts where it is read as it was mapped, also high",
      text: NEW + put(48 * GIB + 0x9000, 0x5003) + moved(48 * GIB),
      shape: { at: 48 * GIB, bytes: GIB, start: "shown", least: 10, mismatches: 0 },
    },
    {
      name: "is longer if a translation beyond the usual end finds an entry",
      text: NEW + xlate(GIB + 0x1000, 0, 0),
      shape: { bytes: 2 * GIB, mismatches: 0 },
    },
    {
      name: "ends where a call is refused",
      text: NEW + put(0xf000, 0x7003) + put(0x1_0000, 0x8003, -4),
      shape: { bytes: 0x1_0000, size: "shown", mismatches: 0 },
    },
    {
      name: "ends where a translation finds no entry",
      text: NEW + put(0xf000, 0x7003) + outside(0x2_0000),
      shape: { bytes: 0x2_0000, size: "assumed", least: 16, mismatches: 0 },
    },
    {
      name: "does not end before an address that a call used",
      text: NEW + put(0x1000, 0) + put(0xf000, 0x7003) + put(0x3000, 0x8003, -4),
      shape: { bytes: GIB, mismatches: 1 },
    },
    {
      name: "keeps its geometry when it comes again",
      text: NEW + moved(START) + put(START + 0x1_0000, 0, -4) + NEW + RESET,
      shape: { at: START, bytes: 0x1_0000, start: "shown" },
    },
    {
      name: "is as a save says",
      text: `${NEW}${put(START, 0x7003)}spapr_iommu_pre_save liobn=80000000 10000 bus_offset=0x20000000 ps=12\n${xlate(0, 0x7000)}`,
      shape: { at: START, bytes: 0x1000_0000, start: "told", page: "told", size: "told", mismatches: 0 },
    },
    {
      name: "has pages as a translation says",
      text: NEW + xlate(0x1_0000, 0, 0, "0xffff"),
      shape: { pageShift: 16, bytes: GIB, page: "shown", mismatches: 0 },
    },
  ])("$name", ({ text, shape }) => {
    expect(shapeOf(text)).toMatchObject(shape);
  });

  it("keeps what calls stored at its bus address, and what translations showed at its offset", () => {
    const text =
      xlate(0x9000, 0xa000) +
      put(START + 0x1000, 0x7003) +
      put(START + 0x2000, 0x8003) +
      put(START + 0x3000, 0x9003) +
      xlate(0x1000, 0x7000) +
      xlate(0x2000, 0x8000) +
      xlate(0x3000, 0x9000);
    const rebuilt = rebuild(text).windows.get(LIOBN)!;
    const found: [bigint, string][] = [];
    rebuilt.window.table!.forEachRun(0, rebuilt.window.entries, (first) => {
      found.push([rebuilt.iobaOf(first), hex(rebuilt.window.table!.get(first))]);
    });
    expect(found).toEqual([
      [BigInt(START + 0x1000), "0x7003"],
      [BigInt(START + 0x9000), "0xa003"],
    ]);
    expect(rebuilt.history.at(1)).toEqual({ event: 1, line: 2 });
    expect(rebuilt.classes()).toMatchObject({ known: 4, inferred: 0 });
  });

  it("says what is assumed, and which option tells", () => {
    const { findings, notJudged } = checkTrace(NEW + moved(START));
    expect(findings).toMatchObject([
      { kind: "assumed-geometry", liobn: LIOBN, ioba: BigInt(START), lines: [5] },
    ]);
    expect(findings[0]!.message).toContain("--window 0x80000000=0x20000000+1G,4K");
    expect(notJudged).toContainEqual({ count: 1, reason: expect.stringContaining("(0x80000000: size)") });
    expect(checkTrace(NEW).findings).toEqual([]);
    expect(checkTrace(NEW).notJudged).toContainEqual({
      count: 1,
      reason: expect.stringContaining("start, page, size"),
    });
  });

  it("has one finding for all that another start explains", () => {
    const pages = Array.from({ length: 512 }, (_, i) => i * 0x1000);
    const text =
      NEW +
      pages.map((at) => put(START + at, 0x100_0000 + 2 * at + 3)).join("") +
      pages.map((at) => xlate(at, 0x100_0000 + 2 * at)).join("");
    const told = { liobn: LIOBN, busOffset: 0n, bytes: 2n ** 30n, pageShift: 12 };
    const { findings, mismatches } = checkTrace(text, {}, { windows: [told] });
    expect(mismatches).toBe(512);
    expect(findings).toMatchObject([
      {
        kind: "mismatch",
        count: 512,
        message: expect.stringContaining("all 512 go away if LIOBN 0x80000000 starts at 0x20000000"),
      },
    ]);
    expect(checkTrace(text, {}, { windows: [{ ...told, busOffset: BigInt(START) }] }).findings).toEqual([]);
  });
});
