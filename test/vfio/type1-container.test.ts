import { describe, expect, it } from "vitest";
import { AddressSpace } from "../../src/memory/address-space.ts";
import { GuestRam } from "../../src/memory/guest-ram.ts";
import { MemoryRegion } from "../../src/memory/memory-region.ts";
import { MemorySystem } from "../../src/memory/memory-system.ts";
import { DmaRun } from "../../src/vfio/dma-run.ts";
import { FaultInjector } from "../../src/vfio/host/faults.ts";
import { Host } from "../../src/vfio/host/host.ts";
import { ProcessMemory, RAM_VADDR } from "../../src/vfio/process-memory.ts";
import { TYPE1_MAX_MAPPINGS, Type1Container } from "../../src/vfio/type1-container.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";

const PAGE = 0x1000n;
const VADDR = BigInt(RAM_VADDR);
const ram = new GuestRam(0x100_0000n);

/** A container as its caller sees it, with arguments one by one. */
function make() {
  const process = new Host({ pageShift: 12 }).startProcess();
  const system = new MemorySystem();
  const space = new AddressSpace(system, "memory", MemoryRegion.ram(system, "ram", ram));
  const memory = new ProcessMemory(process, space);
  memory.addRam(ram);
  const container = new Type1Container("type1", process, memory, new FaultInjector());
  const run = new DmaRun();
  const pagesOf = (iova: bigint, pageSize: bigint, pages: number): DmaRun => {
    run.setPiece(iova, pageSize * BigInt(pages));
    run.pages = pages;
    return run;
  };
  return {
    container,
    process,
    map: (iova: bigint, pageSize: bigint, pages: number, offset: bigint, readonly = false) => {
      pagesOf(iova, pageSize, pages).memory.findAt(space.view, offset, 1, 1);
      run.readonly = readonly;
      return container.map(run);
    },
    unmap: (iova: bigint, pages: number) => container.unmap(pagesOf(iova, PAGE, pages)),
    unmapStale: (iova: bigint, pages: number) => container.unmapStale(pagesOf(iova, PAGE, pages)),
  };
}

describe("a type1 container", () => {
  it("agrees with a map of pages", () => {
    const seed = runSeed();
    const random = new Random(seed);
    const { container, process, map, unmap, unmapStale } = make();
    /** What each page of the bus maps. */
    const model = new Map<bigint, { vaddr: bigint; readonly: boolean }>();
    for (let step = 0; step < 3_000; step++) {
      const first = BigInt(random.below(48));
      const count = 1 + random.below(12);
      const target = BigInt(random.below(64)) * PAGE;
      const kind = random.below(4);
      const readonly = kind === 0;
      if (kind < 2) same(map(first * PAGE, PAGE, count, target, readonly), 0);
      else if (kind === 2) same(unmap(first * PAGE, count), 0);
      else same(unmapStale(first * PAGE, count), 0);
      for (let i = 0n; i < BigInt(count); i++) {
        if (kind < 2) model.set(first + i, { vaddr: VADDR + target + i * PAGE, readonly });
        else model.delete(first + i);
      }
      // Every byte of a page goes the same way: a random one stands for all.
      for (let page = 0n; page < 62n; page++) {
        const byte = BigInt(random.below(0x1000));
        const write = random.below(2) === 1;
        const known = model.get(page);
        const expected = known === undefined || (write && known.readonly) ? undefined : known.vaddr + byte;
        const actual = container.translate(page * PAGE + byte, write);
        same(actual, expected, () => `seed ${seed}, step ${step}, page ${page}`);
      }
      same(process.memory.lockedPages, model.size, () => `seed ${seed}, step ${step}`);
    }
  });

  it("maps a list of 512 pages with one request", () => {
    const { container, map } = make();
    map(0n, PAGE, 512, 0n);
    expect([container.mapCalls, container.mappings.length]).toEqual([1, 1]);
  });

  it("refuses addresses within a page of the host", () => {
    const { container, map } = make();
    expect(map(0x800n, PAGE, 1, 0n)).toBe("EINVAL");
    expect(map(0n, 0x800n, 1, 0n)).toBe("EINVAL");
    expect(map(0n, PAGE, 1, 0x800n)).toBe("EINVAL");
    expect(container.mappings).toEqual([]);
    expect(container.refusedPages).toBe(3);
  });

  it("a page that cannot be locked does not stay on its old target", () => {
    const { container, process, map } = make();
    expect(map(0n, PAGE, 2, 0n)).toBe(0);
    process.mayLockAll = false;
    process.lockLimit = 0n;
    expect(map(PAGE, PAGE, 1, 0x8000n)).toBe("ENOMEM");
    expect(container.translate(PAGE, false)).toBe(undefined);
  });

  it("has room for 65535 mappings; a cut that would need one more tells what it lost", () => {
    const { container, map, unmap } = make();
    // Every other page, so that none joins another; the last mapping has three.
    let refused = 0;
    for (let i = 0; i < TYPE1_MAX_MAPPINGS - 1; i++) {
      if (map(BigInt(i) * 2n * PAGE, PAGE, 1, 0n) !== 0) refused++;
    }
    expect(refused).toBe(0);
    const far = 1n << 40n;
    expect(map(far, PAGE, 3, 0n)).toBe(0);
    expect(map(1n << 41n, PAGE, 1, 0n)).toBe("ENOSPC");
    expect(unmap(far + PAGE, 1)).toBe("ENOSPC");
    expect(container.translate(far, false)).toBe(VADDR);
    expect(container.translate(far + PAGE, false)).toBe(undefined);
  });
});
