import { expect, it } from "vitest";
import { measureTrace } from "../../../src/check/whole/measure-trace.ts";

const put = (head: string, page: number): string =>
  `${head}spapr_iommu_pci_put liobn=0x80000000 ioba=0x${page}000 tce=0x${page}003 ret=0\n`;

it("measures a log of QEMU up to the last event that has a time", async () => {
  const text = put("7@1700000000.250000:", 1) + put("7@1700000002.500000:", 2) + put("", 3);
  const { events, seconds } = await measureTrace(new TextEncoder().encode(text));
  expect({ events, seconds }).toEqual({ events: 3, seconds: 2.25 });
});
