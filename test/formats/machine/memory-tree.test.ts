import { describe, expect, it } from "vitest";
import { bypassedInMemoryTree, windowsOfMemoryTree } from "../../../src/formats/machine/memory-tree.ts";

/** What QEMU 7.2 and 11.1 print for `info mtree -D`, with the kinds of regions that have no window left out. */
const TREE = `address-space: pci@800000020000017
    0000000000000000-ffffffffffffffff (prio 0, i/o): tce-root-80001701
      0800000000000000-0800000000007fff (prio 0, i/o): tce-iommu-80001701
    0000000000000000-ffffffffffffffff (prio 0, i/o): tce-root-80001700
[DETECTED OVERFLOW!]       fffffffffffff000-000000007fffefff (prio 0, i/o): tce-iommu-80001700

address-space: l-lan@71000003
  0000000000000000-000000000fffffff (prio 0, container): iommu-spapr-root
    0000000000000000-ffffffffffffffff (prio 2, i/o): tce-root-71000003 [disabled]
      0000000000000000-000000000fffffff (prio 0, i/o): tce-iommu-71000003
    0000000000000000-000000000fffffff (prio 1, container): alias iommu-spapr-bypass @system 0000000000000000-000000000fffffff
`;

describe("QEMU's memory tree", () => {
  it("tells of windows, also of one that goes beyond 2^64, and what is bypassed", () => {
    expect(windowsOfMemoryTree(TREE)).toEqual([
      { liobn: 0x8000_1701, busOffset: 1n << 59n, bytes: 0x8000n, pageShift: undefined },
      { liobn: 0x8000_1700, busOffset: 2n ** 64n - 0x1000n, bytes: 2n ** 31n, pageShift: undefined },
      { liobn: 0x7100_0003, busOffset: 0n, bytes: 2n ** 28n, pageShift: undefined },
    ]);
    expect(bypassedInMemoryTree(TREE)).toEqual([0x7100_0003]);
  });

  it("without hidden regions has the pieces that are seen", () => {
    const flat = `  0000000000000000-0000000000000fff (prio 0, i/o): tce-iommu-80000000
  0000000000002000-0000000000003fff (prio 0, i/o): tce-iommu-80000000 @0000000000002000\r
`;
    expect(windowsOfMemoryTree(flat)).toMatchObject([{ busOffset: 0n, bytes: 0x4000n }]);
  });
});
