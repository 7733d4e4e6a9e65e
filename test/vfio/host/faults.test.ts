import { describe, expect, it } from "vitest";
import type { Errno } from "../../../src/base/errno.ts";
import type { FaultPoint, Hazard } from "../../../src/vfio/host/faults.ts";
import { type KernelProfile, LINUX_6_12 } from "../../../src/vfio/host/profile.ts";
import { BASE, countersAreTrue, PAGE, type Setup, seenBy, setup } from "./setup.ts";

/** A kernel that undoes what it could not finish. */
const FIXED: KernelProfile = {
  ...LINUX_6_12,
  name: "without oddities",
  misalignedIovaAnswersOne: false,
  unregisterIgnoresMappings: false,
  failedTableStaysCharged: false,
  partialPinAnswersCount: false,
  v1PinsForWriting: false,
};

const at = (page: number, pages: number) => ({
  vaddr: BigInt(BASE + page * PAGE),
  size: BigInt(pages * PAGE),
});

/** A life with two windows and mappings that replace others, as answers. */
function life({ iommu, process }: Setup): unknown[] {
  const high = 1n << 59n;
  return [
    iommu.registerMemory(process, at(0, 4)),
    iommu.registerMemory(process, at(4, 4)),
    iommu.map(process, { ...at(0, 4), iova: 0n, flags: 3 }),
    iommu.createWindow(process, { pageShift: 16, size: 1n << 28n, levels: 2 }),
    iommu.map(process, { ...at(2, 4), iova: high, flags: 1 }),
    iommu.map(process, { ...at(3, 2), iova: 0n, flags: 2 }),
    iommu.unmap(process, { iova: 0x1_0000n, size: 0x1_0000n }),
    iommu.map(process, { ...at(6, 2), iova: 0n, flags: 3 }),
    iommu.unmap(process, { iova: high, size: 0x4_0000n }),
    iommu.unregisterMemory(process, at(0, 4)),
  ];
}

const POINTS: readonly FaultPoint[] = ["map", "unmap", "register", "create", "allocate", "exchange"];

describe("any single failure", () => {
  it.each(POINTS)("at %s leaves counters, tables and account coherent", (point) => {
    let failed = 0;
    for (let n = 0; n < 12; n++) {
      let injected = false;
      const faults = (passed: FaultPoint, count: number): Errno | undefined => {
        if (passed !== point || count !== n) return undefined;
        injected = true;
        return "ENOMEM";
      };
      const s = setup({ profile: FIXED, faults });
      const answers = life(s);
      expect(answers.includes("ENOMEM")).toBe(injected);
      if (injected) failed++;
      // 64 KiB of 4 KiB pages at the start of both windows is all that was touched.
      expect(countersAreTrue(s, 128), `${point} ${n}`).toBe(true);
      expect(s.group.unsetContainer()).toBe(0);
      expect(s.process.memory.lockedPages, `${point} ${n}`).toBe(0);
      expect(s.process.memory.registered.regions).toEqual([]);
    }
    expect(failed).toBeGreaterThan(0);
  });

  it("in the middle of MAP clears what the request had done and keeps what lay behind", () => {
    // Two regions make two stretches of the request. The first MAP stores two, the second one fails in its second.
    const s = setup({ faults: (point, count) => (point === "exchange" && count === 3 ? "EIO" : undefined) });
    s.iommu.registerMemory(s.process, at(0, 1));
    s.iommu.registerMemory(s.process, at(1, 1));
    s.iommu.map(s.process, { ...at(0, 2), iova: 0n, flags: 3 });
    expect(s.iommu.map(s.process, { ...at(0, 2), iova: 0n, flags: 3 })).toBe("EIO");
    expect(seenBy(s, 0n)).toBeNull();
    expect(seenBy(s, 0x1_0000n)).toBe(BASE + PAGE);
    expect(countersAreTrue(s, 128)).toBe(true);
  });

  it("of a table stays in the account of Linux", () => {
    const s = setup({ faults: (point) => (point === "allocate" ? "ENOMEM" : undefined) });
    expect(s.iommu.createWindow(s.process, { pageShift: 16, size: 1n << 28n, levels: 1 })).toBe("ENOMEM");
    expect(s.process.memory.lockedPages).toBe(128); // the default window: 2 * 4 MiB
  });
});

describe("limits and hazards", () => {
  it("refuses tables of more entries than allowed", () => {
    const s = setup({ profile: FIXED, maxEntries: 2 ** 19 });
    expect(s.iommu.createWindow(s.process, { pageShift: 12, size: 1n << 32n, levels: 1 })).toBe("ENOMEM");
    expect(s.iommu.createWindow(s.process, { pageShift: 12, size: 1n << 31n, levels: 1 })).toBe(1n << 59n);
  });

  it("refuses what goes on behind the end of a table, changes nothing, and tells", () => {
    const hazards: Hazard[] = [];
    const s = setup({ onHazard: (hazard) => hazards.push(hazard) });
    s.iommu.registerMemory(s.process, at(0, 4));
    const iova = 0x7fff_0000n;
    expect(s.iommu.map(s.process, { ...at(0, 1), iova, flags: 3 })).toBe(0);
    const mapped = seenBy(s, iova);
    expect(mapped).not.toBeNull();
    expect(s.iommu.map(s.process, { ...at(1, 2), iova, flags: 3 })).toBe("EINVAL");
    expect(s.iommu.unmap(s.process, { iova, size: 0x2_0000n })).toBe("EINVAL");
    expect(seenBy(s, iova)).toBe(mapped);
    expect(hazards).toEqual([
      { id: "VFIO-MAP-7", rule: "range-past-table", request: "MAP", iova, size: 0x2_0000n },
      { id: "VFIO-MAP-7", rule: "range-past-table", request: "UNMAP", iova, size: 0x2_0000n },
    ]);
  });
});

describe("without its oddities", () => {
  it.each([
    {
      name: "a misaligned I/O address",
      run: ({ iommu, process }: Setup) => iommu.unmap(process, { iova: 0x800n, size: 0n }),
      linux: 1,
      fixed: "EINVAL",
    },
    {
      name: "UNREGISTER of mapped memory",
      run: (s: Setup) => {
        s.iommu.map(s.process, { ...at(0, 1), iova: 0n, flags: 3 });
        return s.iommu.unregisterMemory(s.process, at(0, 4));
      },
      linux: 0,
      fixed: "EBUSY",
    },
    {
      name: "REGISTER up to a hole",
      run: (s: Setup) => s.iommu.registerMemory(s.process, at(14, 4)),
      linux: 2,
      fixed: "EFAULT",
    },
  ])("$name is $fixed instead of $linux", ({ run, linux, fixed }) => {
    for (const [profile, answer] of [
      [LINUX_6_12, linux],
      [FIXED, fixed],
    ] as const) {
      const s = setup({ profile });
      s.iommu.registerMemory(s.process, at(0, 4));
      expect(run(s)).toBe(answer);
    }
  });
});
