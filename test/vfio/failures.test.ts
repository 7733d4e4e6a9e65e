import { describe, expect, it } from "vitest";
import type { ContainerKind } from "../../src/vfio/connect-context.ts";
import { LINUX_6_12 } from "../../src/vfio/host/profile.ts";
import { KERNEL, sweepFailures } from "./failure-sweep.ts";
import { HostedGuest, WIN0 } from "./hosted-guest.ts";

// The long run sweeps all with both.
sweepFailures((accel, lasting, number) => lasting === (accel === "kvm") && number % 3 === 1);

describe("limits of the host", () => {
  it("entries: a default window that is too large fails the plug, and says so", () => {
    const guest = new HostedGuest({ maxHostEntries: 0x1_0000, kernel: KERNEL });
    const before = guest.state();
    const result = guest.hosted.plug(0);
    expect(result).toEqual({
      ok: false,
      error:
        "memory listener initialization failed: Region tce-iommu-80000000: Failed to create SPAPR window: Failed to create a window, ret = -1 (ENOMEM)",
    });
    expect(guest.state()).toBe(before);
  });

  it("entries: a new window that is too large is a hazard, and the device lacks it until it goes", () => {
    const guest = new HostedGuest({ maxHostEntries: 0x4_0000, kernel: KERNEL });
    const device = guest.plug();
    const { liobn, start } = guest.create(16, 36);
    expect(guest.hazards).toEqual([
      "vfio: DMA mapping failed, unable to continue; the real system has no defined answer",
    ]);
    expect(guest.check()).toBe(undefined);
    guest.put(liobn, start, 0x50_0003n);
    expect(guest.check()?.kind).toBe("missing");
    expect(guest.hosted.reach(device, start, false)).toBe(undefined);
    guest.remove(liobn);
    expect(guest.check()).toBe(undefined);
    const small = guest.create(16, 30);
    guest.put(small.liobn, small.start, 0x50_0003n);
    expect(guest.hosted.reach(device, start, false)).toBe(0x50_0000n);
    expect(guest.check()).toBe(undefined);
  });

  it("locked memory: version 2 counts the guest's memory and tables, version 1 its whole window, type1 what is mapped", () => {
    const charged = (container: ContainerKind): bigint => {
      const guest = new HostedGuest({ container });
      const { memory } = guest.hosted.process;
      const before = memory.lockedPages;
      guest.put(WIN0, 0n, 0x40_0003n);
      guest.plug();
      return BigInt(memory.lockedPages - before) * BigInt(memory.pageSize);
    };
    // 256 MiB; a table of 2^18 entries, twice because of the copy with user addresses.
    expect(charged("spapr-v2")).toBe(0x1000_0000n + 0x40_0000n);
    // 2 GiB; its own table has 2^19 entries of 4 KiB.
    expect(charged("spapr-v1")).toBe(0x8000_0000n + 0x80_0000n);
    expect(charged("type1v2")).toBe(0x1000n);
  });

  it("a table that could not be allocated stays charged: a quirk of the kernel", () => {
    const left = (failedTableStaysCharged: boolean): number => {
      const guest = new HostedGuest({
        kernel: { ...LINUX_6_12, failedTableStaysCharged },
        faults: (point) => (point === "allocate" ? "ENOMEM" : undefined),
      });
      expect(guest.hosted.plug(0).ok).toBe(false);
      return guest.hosted.process.memory.lockedPages;
    };
    expect(left(false)).toBe(0);
    expect(left(true)).toBeGreaterThan(0);
  });
});
