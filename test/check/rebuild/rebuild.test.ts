import { describe, expect, it } from "vitest";
import { Rebuild } from "../../../src/check/rebuild/rebuild.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { smallCorpusNames } from "../../helpers/corpus.ts";
import { compareAnswers, rebuild } from "./rebuilt.ts";

const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
const CREATE =
  "spapr_iommu_new_table liobn=0x80000001 table=0x1000 fd=-1\nspapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=0x100000, start addr=0x800000000000000, liobn=0x80000001\n";
const put = (ioba: string, tce: string, ret = 0): string =>
  `spapr_iommu_pci_put liobn=0x80000000 ioba=${ioba} tce=${tce} ret=${ret}\n`;
const xlate = (ioba: string, to: string, perm = 3, liobn = "0x80000000", mask = "0xfff"): string =>
  `spapr_iommu_xlate liobn=${liobn} ${ioba} -> ${to} perm=${perm} mask=${mask}\n`;

describe("a rebuilt trace", () => {
  it.each(smallCorpusNames("traces", ".log.gz"))(
    "gives every answer that real QEMU gave: %s",
    compareAnswers,
  );

  it.each([
    {
      name: "a known entry",
      text: NEW + put("0x1000", "0x2003") + xlate("0x1234", "0x2000"),
      expected: { translations: 1, mismatches: 0 },
    },
    {
      name: "known emptiness",
      text: NEW + xlate("0x1234", "0x0", 0),
      expected: { translations: 1, mismatches: 0 },
    },
    {
      name: "outside of the table",
      text: NEW + xlate("0x40000000", "0x0", 0, "0x80000000", "0xffffffff"),
      expected: { translations: 1, mismatches: 0 },
    },
    {
      name: "a wrong target",
      text: NEW + put("0x1000", "0x2003") + xlate("0x1234", "0x3000"),
      expected: { mismatches: 1 },
    },
    {
      name: "a wrong permission",
      text: NEW + put("0x1000", "0x2001") + xlate("0x1234", "0x2000"),
      expected: { mismatches: 1 },
    },
    {
      name: "a wrong page size",
      text: CREATE + xlate("0x1234", "0x0", 0, "0x80000001", "0xfff"),
      expected: { mismatches: 1 },
    },
    {
      name: "a wrong status",
      text: CREATE + put("0x800000000000000", "0x2003", -4).replace("0x80000000", "0x80000001"),
      expected: { mismatches: 1 },
    },
    {
      name: "a refusal",
      text: NEW + put("0x40000000", "0x2003", -4),
      expected: { statuses: 1, mismatches: 0 },
    },
    {
      name: "an unknown window",
      text: NEW + put("0x1000", "0x3", -4).replace("0x80000000", "0x80000007"),
      expected: { statuses: 1, mismatches: 0 },
    },
  ])("compares $name", ({ text, expected }) => {
    expect(rebuild(text).counts).toMatchObject(expected);
  });

  const INDIRECT = `${NEW}spapr_iommu_pci_indirect liobn=0x80000000 ioba=0x10000 tcelist=0x9000 iobaN=0x3 tceN=0x8003 ret=0\n`;

  it("infers the entries of a list until something confirms them", () => {
    const classes = (text: string): unknown => rebuild(text).windows.get(0x8000_0000)?.classes();
    const empty = 0x4_0000 - 4;
    expect(classes(INDIRECT)).toEqual({ known: 1, inferred: 3, unknown: 0, empty });
    expect(classes(INDIRECT + xlate("0x10000", "0x5000"))).toEqual({
      known: 2,
      inferred: 2,
      unknown: 0,
      empty,
    });
    expect(classes(INDIRECT + put("0x11000", "0x0"))).toEqual({
      known: 1,
      inferred: 2,
      unknown: 0,
      empty: empty + 1,
    });
    const contradicted = rebuild(INDIRECT + xlate("0x10000", "0x7000") + xlate("0x10000", "0x7000"));
    expect(contradicted.counts).toMatchObject({ contradicted: 1, translations: 1, mismatches: 0 });
  });

  it("does not infer a list that would begin below address 0", () => {
    const text = INDIRECT.replace("tceN=0x8003", "tceN=0x1003");
    expect(rebuild(text).windows.get(0x8000_0000)?.classes()).toMatchObject({
      known: 1,
      inferred: 0,
      unknown: 3,
    });
  });

  it("knows nothing of a refused H_STUFF_TCE but the pages that it may have filled", () => {
    const text = `${NEW}spapr_iommu_pci_stuff liobn=0x80000000 ioba=0x40000000 tcevalue=0x0 npages=16 ret=-4\n`;
    const result = rebuild(text);
    expect(result.counts).toMatchObject({ statuses: 1, undetermined: 0, mismatches: 0 });
    expect(result.windows.get(0x8000_0000)?.classes()).toMatchObject({ unknown: 15 });
  });

  it("adopts windows that were there before the trace, with all entries unknown", () => {
    const result = rebuild(
      put("0x1000", "0x2003") + xlate("0x1100", "0x2000") + xlate("0x5000", "0x9000", 1),
    );
    expect(result.counts).toMatchObject({ statuses: 1, translations: 1, learned: 1, mismatches: 0 });
    expect(result.windows.get(0x8000_0000)?.classes()).toEqual({
      known: 2,
      inferred: 0,
      unknown: 0x4_0000 - 2,
      empty: 0,
    });
    const high = rebuild(xlate("0x2000010", "0x5000000", 3, "0x80000001", "0xffffff"));
    expect(high.windows.get(0x8000_0001)).toMatchObject({ assumed: true });
    expect(high.windows.get(0x8000_0001)?.window.pageShift).toBe(24);
  });

  it("lets windows go that leave no line: a reset of the machine, and one of the bridge", () => {
    const vio =
      "spapr_iommu_new_table liobn=0x71000003 table=0x1000 fd=-1\nspapr_iommu_put liobn=0x71000003 ioba=0x0 tce=0x5003 ret=0\n";
    const before = vio + NEW + CREATE + put("0x1000", "0x2003");
    const reset = rebuild(before + NEW + put("0x2000", "0x1003"));
    expect([...reset.windows.keys()].sort()).toEqual([0x7100_0003, 0x8000_0000]);
    expect(reset.windows.get(0x8000_0000)?.classes()).toMatchObject({ known: 1, unknown: 0 });
    // A machine reset clears the VIO table, too; what plugs a bridge anew does not. The line does not tell which.
    expect(reset.windows.get(0x7100_0003)?.classes()).toMatchObject({ known: 0, unknown: 1 });
    const bridge = rebuild(`${before}${NEW}spapr_iommu_ddw_reset buid=0x800000020000000 addr=0x0\n`);
    expect([...bridge.windows.keys()].sort()).toEqual([0x7100_0003, 0x8000_0000]);
    expect(bridge.windows.get(0x7100_0003)?.classes()).toMatchObject({ known: 1, unknown: 0 });
  });

  it("does not judge how many windows are left beside one that it was told of and cannot place", () => {
    const told = { liobn: 0x8000_0001, busOffset: 1n << 59n, bytes: 0x100000n, pageShift: undefined };
    const query = (available: number): string =>
      `spapr_iommu_ddw_query buid=0x800000020000000 addr=0x0, ${available} windows available, max window size=0x80000000, mask=0x107\n`;
    const answers = (text: string): object => {
      const result = new Rebuild(undefined, null, [told]);
      result.knowBridge({ index: 0 });
      expect(result.adoptTold()).toEqual([told]);
      const reader = new QemuLogReader((event) => result.handle(event));
      reader.push(new TextEncoder().encode(put("0x1000", "0x2003") + text));
      reader.end();
      return result.counts;
    };
    expect(answers(query(0))).toMatchObject({ mismatches: 0, undetermined: 1 });
    const remove = "spapr_iommu_ddw_remove liobn=0x80000001\n";
    expect(answers(remove + query(1))).toMatchObject({ mismatches: 0, statuses: 2 });
    expect(answers(remove + query(0))).toMatchObject({ mismatches: 1 });
    expect(answers(CREATE + query(1))).toMatchObject({ mismatches: 1 });
  });

  it("finds a VIO table cleared without a line, and what of it was filled again", () => {
    const vio = (name: string, page: number, tce: number): string =>
      name === "get"
        ? `spapr_iommu_get liobn=0x71000003 ioba=0x${page}000 ret=0 tce=0x${tce.toString(16)}\n`
        : `spapr_iommu_put liobn=0x71000003 ioba=0x${page}000 tce=0x${tce.toString(16)} ret=0\n`;
    const filled =
      "spapr_iommu_new_table liobn=0x71000003 table=0x1000 fd=-1\n" +
      vio("put", 0, 0x5003) +
      vio("put", 1, 0x6003) +
      vio("put", 2, 0x7003);
    for (const look of [xlate("0x1000", "0x0", 0, "0x71000003"), vio("get", 1, 0)]) {
      const result = rebuild(filled + look);
      expect(result.counts).toMatchObject({ silentClears: 1, mismatches: 0 });
      // That of page 2 may have come after the table was cleared.
      const { window } = result.windows.get(0x7100_0003)!;
      expect([0, 1, 2].map((page) => window.table!.get(page))).toEqual([0n, 0n, 0x7003n]);
      expect(result.windows.get(0x7100_0003)!.classes()).toMatchObject({ known: 0, unknown: 1 });
      const later = rebuild(filled + look + vio("get", 2, 0x7003) + vio("get", 0, 0));
      expect(later.counts).toMatchObject({ silentClears: 1, learned: 1, mismatches: 0 });
      expect(later.windows.get(0x7100_0003)!.classes()).toMatchObject({ known: 1, unknown: 0 });
      const gone = rebuild(filled + look + vio("get", 2, 0) + vio("put", 2, 0x8003));
      expect(gone.counts).toMatchObject({ silentClears: 1, learned: 1, mismatches: 0 });
    }
    // A table of a bridge is not cleared so.
    const pci = rebuild(`${NEW}${put("0x1000", "0x2003")}${xlate("0x1000", "0x0", 0)}`);
    expect(pci.counts).toMatchObject({ silentClears: 0, mismatches: 1 });
  });
});
