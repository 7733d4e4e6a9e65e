import { describe, expect, it } from "vitest";
import type { Permission } from "../../src/base/permission.ts";
import { hiOf, loOf, toBig } from "../../src/base/u64.ts";
import { AddressSpace } from "../../src/memory/address-space.ts";
import { IommuNotifier, NotifierFlag } from "../../src/memory/iommu-notifier.ts";
import { IommuRegion } from "../../src/memory/iommu-region.ts";
import { MemoryRegion, WHOLE_SPACE } from "../../src/memory/memory-region.ts";
import { MemorySystem } from "../../src/memory/memory-system.ts";
import { PageWalk } from "../../src/memory/page-walk.ts";

/** An IOMMU of a kind of its own: maps the offsets in `mapped` to themselves, with the given permission. */
function setup(size: bigint, minPageSize: bigint | undefined, mapped: ReadonlyMap<bigint, Permission>) {
  const system = new MemorySystem();
  const target = new AddressSpace(system, "target", MemoryRegion.container(system, "root"));
  const translated: bigint[] = [];
  const region = new IommuRegion(system, "iommu", size, {
    target,
    translate(hi, lo, into) {
      const offset = toBig(hi, lo);
      translated.push(offset);
      into.perm = mapped.get(offset) ?? 0;
      into.targetHi = hiOf(offset);
      into.targetLo = loOf(offset);
    },
    ...(minPageSize === undefined ? {} : { minPageSize: () => minPageSize }),
  });
  const heard: string[] = [];
  const notifier = new IommuNotifier({
    name: "n",
    flags: NotifierFlag.UNMAP,
    start: 0x2000n,
    last: 0x2fffn,
    notify: (run) => heard.push(`${run.iova} ${run.sizeBytes} ${run.target} ${run.perm}`),
  });
  return { region, notifier, heard, translated };
}

describe("the generic replay", () => {
  it("translates every page from 0, and tells what is mapped, whatever the notifier asked for", () => {
    const mapped = new Map<bigint, Permission>([
      [0n, 1],
      [0x1000n, 2],
      [0x5000n, 3],
    ]);
    const { region, notifier, heard, translated } = setup(0x6000n, undefined, mapped);
    expect(region.replay(notifier)).toEqual({
      strategy: "page-walk",
      steps: 6,
      notifications: 3,
      complete: true,
    });
    // Neither merged, nor cut to the notifier's range, nor held back by its flags (QEMU-REPLAY-1).
    expect(heard).toEqual(["0 4096 0 1", "4096 4096 4096 2", "20480 4096 20480 3"]);
    expect(translated).toEqual([0n, 0x1000n, 0x2000n, 0x3000n, 0x4000n, 0x5000n]);
  });

  it.each([
    { name: "an empty region", size: 0n, page: 0x1000n, steps: 0 },
    { name: "less than a page", size: 1n, page: 0x1000n, steps: 1 },
    { name: "exactly a page", size: 0x1000n, page: 0x1000n, steps: 1 },
    { name: "a page and a byte", size: 0x1001n, page: 0x1000n, steps: 2 },
    { name: "the default page size of 4 KiB", size: 0x4000n, page: undefined, steps: 4 },
    { name: "across the low half", size: 1n << 34n, page: 1n << 30n, steps: 16 },
    {
      name: "2^64 bytes of 2^56: the guard against wrapping ends it",
      size: WHOLE_SPACE,
      page: 1n << 56n,
      steps: 256,
    },
    { name: "2^64 bytes of 2^63", size: WHOLE_SPACE, page: 1n << 63n, steps: 2 },
    { name: "one byte less than 2^64", size: WHOLE_SPACE - 1n, page: 1n << 60n, steps: 16 },
  ])("counts its steps: $name", ({ size, page, steps }) => {
    const { region, notifier, translated } = setup(size, page, new Map());
    expect(region.replay(notifier)).toEqual({
      strategy: "page-walk",
      steps,
      notifications: 0,
      complete: true,
    });
    expect(translated).toEqual(Array.from({ length: steps }, (_, i) => BigInt(i) * (page ?? 0x1000n)));
  });

  it.each([
    { maxSteps: 0, steps: 0, complete: false },
    { maxSteps: 3, steps: 3, complete: false },
    { maxSteps: 4, steps: 4, complete: true },
    { maxSteps: 5, steps: 4, complete: true },
  ])("stops after $maxSteps steps when told to", ({ maxSteps, steps, complete }) => {
    const { region, notifier, heard } = setup(0x4000n, undefined, new Map([[0x2000n, 3]]));
    expect(region.replayByPages(notifier, maxSteps)).toEqual({
      strategy: "page-walk",
      steps,
      notifications: steps > 2 ? 1 : 0,
      complete,
    });
    expect(heard).toHaveLength(steps > 2 ? 1 : 0);
  });

  it("goes on where it stopped, and ends where the region has become another one", () => {
    const mapped = new Map<bigint, Permission>([
      [0x1000n, 3],
      [0x4000n, 3],
    ]);
    const { region, notifier, heard, translated } = setup(0x6000n, undefined, mapped);
    const walk = new PageWalk(region, notifier);
    const report = { strategy: "page-walk", complete: false };
    expect(walk.advance(2)).toEqual({ ...report, steps: 2, notifications: 1 });
    expect(walk.advance(2)).toEqual({ ...report, steps: 4, notifications: 1 });
    expect(walk.advance(Infinity)).toEqual({ ...report, steps: 6, notifications: 2, complete: true });
    expect(translated).toEqual([0n, 0x1000n, 0x2000n, 0x3000n, 0x4000n, 0x5000n]);
    expect(heard).toHaveLength(2);

    const other = new PageWalk(region, notifier);
    other.advance(2);
    region.renew();
    expect(other.advance(2)).toEqual({ ...report, steps: 2, notifications: 1 });
  });

  it("gives way to the region's own hook", () => {
    const { region, notifier } = setup(0x4000n, undefined, new Map());
    const report = { strategy: "skipped", steps: 0, notifications: 0, complete: true } as const;
    region.hooks.replay = () => report;
    expect(region.replay(notifier)).toBe(report);
    expect(region.replayByPages(notifier).steps).toBe(4);
  });
});
