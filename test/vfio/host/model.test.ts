import { describe, expect, it } from "vitest";
import { TCE_WRITE } from "../../../src/tce/tce.ts";
import { MAP_READ, MAP_WRITE } from "../../../src/vfio/host/requests.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { same } from "../../helpers/same.ts";
import { BASE, countersAreTrue, PAGE, SIZE, seenBy, setup } from "./setup.ts";

const IO_PAGE = 4096;
/** I/O pages in play, at the start of the default window. */
const PAGES = 96;

/** The driver, page by page. Regions cannot go while mapped: the model leaks them as the kernel does. */
class NaiveContainer {
  readonly pages = new Map<number, { vaddr: number; flags: number }>();
  regions: { start: number; size: number; held: boolean; leaked: boolean }[] = [];

  register(start: number, size: number): number | string {
    const same = this.regions.find((r) => r.start === start && r.size === size);
    if (same?.held) return "EBUSY";
    if (same !== undefined) {
      same.held = true;
      return 0;
    }
    if (start + size > BASE + SIZE) return start >= BASE + SIZE ? "EFAULT" : (BASE + SIZE - start) / PAGE;
    if (this.regions.some((r) => r.start < start + size && start < r.start + r.size)) return "EINVAL";
    this.regions.push({ start, size, held: true, leaked: false });
    return 0;
  }

  unregister(start: number, size: number): number | string {
    const region = this.regions.find((r) => r.start === start && r.size === size);
    if (region === undefined || !region.held) return "ENOENT";
    region.held = false;
    const used = [...this.pages.values()].some((p) => start <= p.vaddr && p.vaddr < start + size);
    if (used) region.leaked = true;
    if (!region.leaked) this.regions = this.regions.filter((r) => r !== region);
    return 0;
  }

  map(first: number, count: number, vaddr: number, flags: number): number | string {
    for (let i = 0; i < count; i++) {
      const at = vaddr + i * IO_PAGE;
      if (!this.regions.some((r) => r.start <= at && at < r.start + r.size)) {
        for (let k = 0; k < i; k++) this.pages.delete(first + k);
        return "EINVAL";
      }
      this.pages.set(first + i, { vaddr: at, flags });
    }
    return 0;
  }

  unmap(first: number, count: number): number {
    for (let i = 0; i < count; i++) this.pages.delete(first + i);
    return 0;
  }
}

describe("a version 2 container", () => {
  it("answers and maps as a page-by-page model does", () => {
    const seed = runSeed();
    for (let round = 0; round < 40; round++) {
      const random = new Random(seed + round);
      const s = setup();
      const model = new NaiveContainer();
      const caller = s.process;
      expect(s.iommu.registerMemory(caller, { vaddr: BigInt(BASE), size: BigInt(PAGE) })).toBe(0);
      model.register(BASE, PAGE);
      for (let step = 0; step < 120; step++) {
        const start = BASE + random.below(17) * PAGE;
        const size = (1 + random.below(4)) * PAGE;
        const first = random.below(PAGES);
        const count = random.below(Math.min(20, PAGES - first) + 1);
        const vaddr = BASE + random.below(SIZE / IO_PAGE) * IO_PAGE;
        const flags = random.pick([MAP_READ, MAP_WRITE, MAP_READ | MAP_WRITE]);
        const memory = { vaddr: BigInt(start), size: BigInt(size) };
        const bus = { iova: BigInt(first * IO_PAGE), size: BigInt(count * IO_PAGE) };
        const [answer, expected] = random.pick([
          () => [s.iommu.registerMemory(caller, memory), model.register(start, size)],
          () => [s.iommu.unregisterMemory(caller, memory), model.unregister(start, size)],
          () => [
            s.iommu.map(caller, { ...bus, vaddr: BigInt(vaddr), flags }),
            model.map(first, count, vaddr, flags),
          ],
          () => [s.iommu.unmap(caller, bus), model.unmap(first, count)],
        ])();
        same(answer, expected, () => `SEED=${seed} round ${round} step ${step}`);
      }
      for (let page = 0; page < PAGES; page++) {
        const iova = BigInt(page * IO_PAGE);
        const mapped = model.pages.get(page);
        const where = (): string => `SEED=${seed} round ${round} page ${page}`;
        same(seenBy(s, iova), mapped?.vaddr ?? null, where);
        const writable = mapped !== undefined && (mapped.flags & MAP_WRITE) !== 0;
        same(s.group.iommu.translate(iova, TCE_WRITE) !== null, writable, where);
      }
      const regions = model.regions.reduce((sum, r) => sum + r.size / PAGE, 0);
      const table = s.iommu.tables[0]?.chargedPages ?? 0;
      expect(s.process.memory.lockedPages, `SEED=${seed} round ${round}`).toBe(regions + table);
      expect(countersAreTrue(s, PAGES)).toBe(true);
    }
  });
});

describe("cost follows what is mapped", () => {
  it("a window of 2^31 entries holds nothing, a long linear mapping one run", () => {
    const s = setup({ memoryBytes: 2 ** 50 });
    const bytes = 2 ** 46;
    expect(s.iommu.removeWindow(s.process, { start: 0n })).toBe(0);
    expect(s.process.memory.mmap(0x1000_0000_0000n, BigInt(bytes), 3n)).toBe(0);
    const memory = { vaddr: 0x1000_0000_0000n, size: BigInt(bytes) };
    expect(s.iommu.registerMemory(s.process, memory)).toBe(0);
    expect(s.iommu.createWindow(s.process, { pageShift: 16, size: 1n << 47n, levels: 2 })).toBe(0n);
    const [table] = s.iommu.tables;
    expect(table!.length).toBe(2 ** 31);
    expect(s.iommu.map(s.process, { ...memory, iova: 0n, flags: 3 })).toBe(0);
    const runs: number[] = [];
    table!.entries.forEachRun(0, table!.length, (_first, pages) => runs.push(pages));
    expect(runs).toEqual([bytes / PAGE]);
    expect(s.iommu.unmap(s.process, { iova: 0n, size: 1n << 47n })).toBe(0);
    expect(table!.entries.storedCount).toBe(0);
    expect(s.process.memory.registered.regions[0]!.mapped).toBe(0);
  });
});
