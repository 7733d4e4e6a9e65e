import { describe, expect, it } from "vitest";
import { GuestRam } from "../../src/memory/guest-ram.ts";
import type { GuestMemory } from "../../src/vfio/guest-memory.ts";
import { FaultInjector } from "../../src/vfio/host/faults.ts";
import { Host } from "../../src/vfio/host/host.ts";
import type { HostProcess } from "../../src/vfio/host/host-process.ts";
import { TYPE1_MAX_MAPPINGS, Type1Container } from "../../src/vfio/type1-container.ts";
import { Random, runSeed } from "../helpers/random.ts";

const PAGE = 0x1000n;
const VADDR = 0x1000_0000n;
const ram = new GuestRam(0x100_0000n);
const at = (offset: bigint): GuestMemory => ({ ram, offset, address: offset, readonly: false });

function make(): { container: Type1Container; process: HostProcess } {
  const process = new Host({ pageShift: 12 }).startProcess();
  const container = new Type1Container("type1", process, ({ offset }) => VADDR + offset, new FaultInjector());
  return { container, process };
}

describe("a type1 container", () => {
  it("agrees with a map of pages", () => {
    const seed = runSeed();
    const random = new Random(seed);
    const { container, process } = make();
    /** What each page of the bus maps. */
    const model = new Map<bigint, { vaddr: bigint; readonly: boolean }>();
    for (let step = 0; step < 3_000; step++) {
      const first = BigInt(random.below(48));
      const count = 1 + random.below(12);
      const target = BigInt(random.below(64)) * PAGE;
      const kind = random.below(4);
      const readonly = kind === 0;
      if (kind < 2) expect(container.map(first * PAGE, PAGE, count, at(target), readonly)).toBe(0);
      else if (kind === 2) expect(container.unmap(first * PAGE, PAGE, count)).toBe(0);
      else expect(container.unmapStale(first * PAGE, PAGE, count)).toBe(0);
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
        if (actual !== expected) expect(actual, `seed ${seed}, step ${step}, page ${page}`).toBe(expected);
      }
      expect(process.memory.lockedPages, `seed ${seed}, step ${step}`).toBe(model.size);
    }
  });

  it("maps a list of 512 pages with one request", () => {
    const { container } = make();
    container.map(0n, PAGE, 512, at(0n), false);
    expect([container.mapCalls, container.mappings.length]).toEqual([1, 1]);
  });

  it("refuses addresses within a page of the host", () => {
    const { container } = make();
    expect(container.map(0x800n, PAGE, 1, at(0n), false)).toBe("EINVAL");
    expect(container.map(0n, 0x800n, 1, at(0n), false)).toBe("EINVAL");
    expect(container.map(0n, PAGE, 1, at(0x800n), false)).toBe("EINVAL");
    expect(container.mappings).toEqual([]);
    expect(container.refusedPages).toBe(3);
  });

  it("a page that cannot be locked does not stay on its old target", () => {
    const { container, process } = make();
    expect(container.map(0n, PAGE, 2, at(0n), false)).toBe(0);
    process.mayLockAll = false;
    process.lockLimit = 0n;
    expect(container.map(PAGE, PAGE, 1, at(0x8000n), false)).toBe("ENOMEM");
    expect(container.translate(PAGE, false)).toBe(undefined);
  });

  it("has room for 65535 mappings; a cut that would need one more tells what it lost", () => {
    const { container } = make();
    // Every other page, so that none joins another; the last mapping has three.
    for (let i = 0; i < TYPE1_MAX_MAPPINGS - 1; i++) {
      expect(container.map(BigInt(i) * 2n * PAGE, PAGE, 1, at(0n), false)).toBe(0);
    }
    const far = 1n << 40n;
    expect(container.map(far, PAGE, 3, at(0n), false)).toBe(0);
    expect(container.map(1n << 41n, PAGE, 1, at(0n), false)).toBe("ENOSPC");
    expect(container.unmap(far + PAGE, PAGE, 1)).toBe("ENOSPC");
    expect(container.translate(far, false)).toBe(VADDR);
    expect(container.translate(far + PAGE, false)).toBe(undefined);
  });
});
