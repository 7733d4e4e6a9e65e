import { describe, expect, it } from "vitest";
import { GuestWindow } from "../../src/guest/guest-window.ts";
import { type DeviceLimits, IommuTable } from "../../src/guest/iommu-table.ts";
import { allocatorCampaign } from "./allocator-campaign.ts";

const DEFAULT = new GuestWindow(0x8000_0000, 0n, 12);
const table = (length = 2 ** 18, window = DEFAULT): IommuTable => new IommuTable(window, length);

const take = (entries: IommuTable, { pages, ...limits }: DeviceLimits & { readonly pages: number }): number =>
  entries.allocate(pages, entries.limitsOf(limits));

describe("the table of the default window (LINUX-TABLE-1 to LINUX-TABLE-4)", () => {
  it("gives out entries as Linux does", () => {
    const entries = table();
    const steps = [
      [{ pages: 1 }, 1],
      [{ pages: 1 }, 16],
      [{ pages: 15 }, 32],
      // A page of 64 KiB in entries of 4 KiB.
      [{ pages: 16, alignOrder: 4 }, 196_608],
      [{ pages: 17 }, 196_624],
      [{ pages: 16, alignOrder: 4 }, 196_656],
      [{ pages: 1, cpu: 1 }, 49_152],
    ] as const;
    for (const [request, entry] of steps) expect(take(entries, request), JSON.stringify(request)).toBe(entry);
    expect(entries.addressOf(196_656)).toBe(0x3003_0000n);
    // The hole at 1 is not found before the hint has been at the end.
    expect(entries.give(1, 1)).toBe(true);
    expect(take(entries, { pages: 1 })).toBe(48);
    expect(take(entries, { pages: 65_536 })).toBe(-1);
  });

  it.each([0, 1, 3, 0, 2, 3, 1, 2, 0, 1, 3, 0, 2, 3, 1, 2].map((pool, cpu) => ({ cpu, pool })))(
    "sends CPU $cpu to pool $pool",
    ({ cpu, pool }) => {
      expect(take(table(), { pages: 1, cpu })).toBe(pool === 0 ? 1 : pool * 49_152);
    },
  );

  it("never gives out the last entry of a pool", () => {
    const entries = table(64);
    const given = Array.from({ length: 64 }, () => take(entries, { pages: 1 })).filter((entry) => entry >= 0);
    expect(given).not.toContain(0);
    expect(given).not.toContain(47);
    expect(given).not.toContain(63);
    expect(new Set(given).size).toBe(61);
  });

  it("counts what is in use, not what is reserved", () => {
    const entries = table(1024);
    entries.reserve(1000, 2000);
    expect(entries.inUse).toBe(false);
    const entry = take(entries, { pages: 4 });
    expect(entries.inUse).toBe(true);
    expect(entries.free).toBe(1024 - 1 - 24 - 4);
    expect(entries.give(entry, 4)).toBe(true);
    expect(entries.inUse).toBe(false);
  });

  it("gives nothing back that it does not have", () => {
    expect(table(1024).give(1020, 8)).toBe(false);
    expect(take(table(1024), { pages: 0 })).toBe(-1);
  });

  it("keeps within the mask of a device, and off a boundary", () => {
    const entries = table(2 ** 20);
    const mask = 0xff_ffffn;
    const entry = take(entries, { pages: 16, mask });
    expect(entries.addressOf(entry + 15)).toBeLessThanOrEqual(mask);
    const high = new IommuTable(new GuestWindow(1, 1n << 59n, 16), 2 ** 20);
    // 2^16 pages of 64 KiB are 4 GiB: the second such request does not fit in what is left of the first segment.
    expect(take(high, { pages: 40_000, boundary: 2 ** 32 })).toBe(786_432);
    expect(take(high, { pages: 40_000, boundary: 2 ** 32 })).toBe(851_968);
    expect(take(high, { pages: 70_000, boundary: 2 ** 32 })).toBe(-1);
  });

  it.each([0, -1, 1.5, 2 ** 33])("refuses a table of %d entries", (length) => {
    expect(() => table(length)).toThrow(`a table of ${length} entries`);
  });

  it.each([1, 7, 20_261_128])("is a naive allocator's, SEED=%d", (seed) => {
    allocatorCampaign(seed, 400);
  });
});
