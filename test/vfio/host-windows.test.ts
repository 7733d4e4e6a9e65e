import { describe, expect, it } from "vitest";
import { rangeOf } from "../../src/base/range.ts";
import { HostWindows } from "../../src/vfio/host-windows.ts";

const windows = (): HostWindows => {
  const all = new HostWindows();
  all.add(rangeOf(0n, 0x4000_0000n));
  all.add(rangeOf(1n << 59n, 0x1_0000_0000n));
  return all;
};

describe("windows of the host that QEMU knows of", () => {
  it.each([
    [0n, 0x4000_0000n, true],
    [0x1000n, 0x1000n, true],
    [0x3fff_f000n, 0x1000n, true],
    [0x3fff_f000n, 0x1001n, false],
    [0x4000_0000n, 0x1000n, false],
    [1n << 59n, 0x1_0000_0000n, true],
    [(1n << 59n) - 1n, 2n, false],
  ])("contain %#x + %#x: %s", (first, size, expected) => {
    expect(windows().contain(rangeOf(first, size))).toBe(expected);
  });

  it("names both ranges of an overlap, in QEMU's words", () => {
    expect(windows().overlapWith(rangeOf(0x3fff_ffffn, 2n))).toBe(
      "region [0x3fffffff,0x40000000] overlaps with existinghost DMA window [0x0,0x3fffffff]",
    );
    expect(windows().overlapWith(rangeOf(0x4000_0000n, 0x1000n))).toBe(undefined);
  });

  it("forgets exactly the window that is named", () => {
    const all = windows();
    expect(all.delete(rangeOf(0n, 0x1000n))).toBe(false);
    expect(all.delete(rangeOf(0x1000n, 0x4000_0000n))).toBe(false);
    expect(all.delete(rangeOf(0n, 0x4000_0000n))).toBe(true);
    expect(all.delete(rangeOf(0n, 0x4000_0000n))).toBe(false);
    expect(all.all.map(({ range }) => range.first)).toEqual([1n << 59n]);
  });
});
