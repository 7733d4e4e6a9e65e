import { expect, it } from "vitest";
import { QemuLogReader } from "../../src/formats/trace/qemu-log.ts";
import { Traffic } from "../../src/live/traffic.ts";

/** Counts the events of a log. */
function count(traffic: Traffic, lines: readonly string[]): void {
  const reader = new QemuLogReader((event) => traffic.count(event));
  reader.push(Buffer.from(lines.map((line) => `spapr_iommu_${line}\n`).join("")));
  reader.end();
}

const PUT = "pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0";
const UNPUT = "pci_put liobn=0x80000000 ioba=0x1000 tce=0x0 ret=0";
const REFUSED = "pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=-4";
const STUFF = "pci_stuff liobn=0x80000001 ioba=0x200000 tcevalue=0x0 npages=512 ret=0";
const LIST = "pci_indirect liobn=0x80000001 ioba=0x0 tcelist=0x1000 iobaN=0xf tceN=0x239f003 ret=0";
const DMA = "xlate liobn=0x80000001 0x1000 -> 0x2000 perm=3 mask=0xfff";

it("counts the pages that calls map and unmap, and DMAs, by window", () => {
  const traffic = new Traffic();
  traffic.begin(0);
  count(traffic, [PUT, UNPUT, REFUSED, STUFF, LIST, DMA, DMA]);
  expect(traffic.windows(500)).toEqual([
    {
      liobn: "0x80000000",
      pagesMapped: 1,
      pagesUnmapped: 1,
      translations: 0,
      mappedPerSecond: 2,
      unmappedPerSecond: 2,
      translatedPerSecond: 0,
    },
    {
      liobn: "0x80000001",
      pagesMapped: 16,
      pagesUnmapped: 512,
      translations: 2,
      mappedPerSecond: 32,
      unmappedPerSecond: 1024,
      translatedPerSecond: 4,
    },
  ]);
  expect(traffic.eventsPerSecond(500)).toBe(14);
});

it("has rates over the last second, which end with the traffic", () => {
  const traffic = new Traffic();
  count(traffic, [PUT, PUT, PUT]);
  traffic.begin(1000);
  expect(traffic.isQuiet).toBe(true);
  // One a tenth of a second.
  for (let now = 1100; now <= 4000; now += 100) {
    count(traffic, [PUT]);
    traffic.look(now);
  }
  expect(traffic.windows(4000)).toMatchObject([{ pagesMapped: 33, mappedPerSecond: 10 }]);
  expect(traffic.isQuiet).toBe(false);
  for (let now = 4100; now <= 5300; now += 100) traffic.look(now);
  expect(traffic.windows(5300)).toMatchObject([{ pagesMapped: 33, mappedPerSecond: 0 }]);
  expect(traffic.isQuiet).toBe(true);
});
