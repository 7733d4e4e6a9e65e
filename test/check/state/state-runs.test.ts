import { expect, it } from "vitest";
import { forEachStateRun, type StateRun } from "../../../src/check/state/window-state.ts";
import { windowsAt } from "../../../src/check/whole/windows-at.ts";

const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
const list = (ioba: string, more: string, last: string): string =>
  `spapr_iommu_pci_indirect liobn=0x80000000 ioba=${ioba} tcelist=0x9000 iobaN=${more} tceN=${last} ret=0\n`;
const put = (ioba: string, tce: string): string =>
  `spapr_iommu_pci_put liobn=0x80000000 ioba=${ioba} tce=${tce} ret=0\n`;

it.each([
  {
    name: "a list, of which the last entry is known",
    text: list("0x1000", "0xf", "0x4baf003"),
    runs: [{ ioba: 0x1000n, target: 0x4ba_0000n, pages: 16, certainty: "inferred", inferredPages: 15 }],
  },
  {
    name: "two lists that go on",
    text: list("0x1000", "0xf", "0x4baf003") + list("0x11000", "0xf", "0x4bbf003"),
    runs: [{ pages: 32, certainty: "inferred", inferredPages: 30 }],
  },
  {
    name: "a list, and a page of another permission behind it",
    text: list("0x1000", "0x1", "0x4001003") + put("0x3000", "0x4002001"),
    runs: [
      { pages: 2, inferredPages: 1 },
      { pages: 1, perm: "r-", certainty: "known" },
    ],
  },
  {
    name: "a list, and a page that maps elsewhere",
    text: list("0x1000", "0x1", "0x4001003") + put("0x3000", "0x9000003"),
    runs: [{ pages: 2 }, { pages: 1, certainty: "known" }],
  },
  {
    name: "puts alone",
    text: put("0x1000", "0x4001003") + put("0x2000", "0x4002003"),
    runs: [{ pages: 2, certainty: "known" }],
  },
])("the rows of $name", async ({ text, runs }) => {
  const [window] = await windowsAt(NEW + text);
  const found: StateRun[] = [];
  forEachStateRun(window!, (run) => found.push(run));
  expect(found).toMatchObject(runs);
  expect(found.length).toBe(runs.length);
});
