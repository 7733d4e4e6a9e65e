import { expect, it } from "vitest";
import { hex } from "../../../src/base/u64.ts";
import { diffStates } from "../../../src/check/state/window-state.ts";
import { windowsAt } from "../../../src/check/whole/windows-at.ts";

const put = (ioba: string, tce: string): string =>
  `spapr_iommu_pci_put liobn=0x80000100 ioba=${ioba} tce=${tce} ret=0`;

/** What changed between the second event and the end. */
async function changes(lines: readonly string[]): Promise<string[]> {
  const text = lines.map((line) => `${line}\n`).join("");
  const [before, after] = [await windowsAt(text, { event: 1 }), await windowsAt(text)];
  const found: string[] = [];
  diffStates(before, after, (change) => {
    const where =
      change.what === "entries" ? ` ${hex(change.ioba)} ${hex(change.before)} => ${hex(change.after)}` : "";
    found.push(`${change.what} ${hex(change.window.liobn)}${where}`);
  });
  return found;
}

it.each([
  { learned: "the size", start: "0x0", size: "20000" },
  { learned: "the start", start: "0x1000000", size: "40000" },
  { learned: "start and size", start: "0x1000000", size: "20000" },
])("a window of which $learned is learned is the same one", async ({ start, size }) => {
  const lines = [
    put("0x1001000", "0x5003"),
    put("0x1002000", "0x7003"),
    put("0x1002000", "0x0"),
    `spapr_iommu_pre_save liobn=80000100 ${size} bus_offset=${start} ps=12`,
  ];
  expect(await changes(lines)).toEqual(["entries 0x80000100 0x1002000 0x7003 => 0x0"]);
});

it("what lies before the start that is learned is still a change", async () => {
  const lines = [
    put("0x1000", "0x5003"),
    put("0x1001000", "0x7003"),
    "spapr_iommu_pre_save liobn=80000100 40000 bus_offset=0x1000000 ps=12",
  ];
  expect(await changes(lines)).toEqual(["entries 0x80000100 0x1000 0x5003 => 0x0"]);
});

it("a window that was removed, and made again with another size, is another one", async () => {
  const made = (size: string): string[] => [
    `spapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=${size}, start addr=0x800000000000000, liobn=0x80000001`,
  ];
  const lines = [
    "spapr_iommu_new_table liobn=0x80000001 table=0x1000 fd=-1",
    ...made("0x100000"),
    "spapr_iommu_ddw_remove liobn=0x80000001",
    "spapr_iommu_new_table liobn=0x80000001 table=0x2000 fd=-1",
    ...made("0x200000"),
  ];
  expect(await changes(lines)).toEqual(["removed 0x80000001", "created 0x80000001"]);
});

it("a window of which the size of a page is learned is not compared: where its entries lay is not known", async () => {
  const lines = [
    put("0x10000", "0x50003"),
    put("0x20000", "0x70003"),
    "spapr_iommu_pre_save liobn=80000100 4000 bus_offset=0x0 ps=16",
  ];
  expect(await changes(lines)).toEqual(["not-compared 0x80000100"]);
});
