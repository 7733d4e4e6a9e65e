import { describe, expect, it } from "vitest";
import type { FlatRange } from "../../src/memory/flat-view.ts";
import type { DmaContainer } from "../../src/vfio/container.ts";
import type { DmaRun } from "../../src/vfio/dma-run.ts";
import type { FaultPoint } from "../../src/vfio/host/faults.ts";
import { LINUX_6_1, LINUX_6_12 } from "../../src/vfio/host/profile.ts";
import type { HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import { VfioListener } from "../../src/vfio/listener.ts";
import { HIGH, HostedGuest, RW, WIN0, WIN1 } from "./hosted-guest.ts";

const FATAL = "vfio: DMA mapping failed, unable to continue; the real system has no defined answer";

/** Plugs, expects a refusal that leaves all as it was; answers its message. */
function refusedPlug(guest: HostedGuest, group = 0, phb = 0): string {
  const before = guest.state();
  const result = guest.hosted.plug(group, phb);
  expect(guest.state()).toBe(before);
  return result.ok ? "it was plugged" : result.error;
}

/** Operations of the kernel, in order, from now on. */
function recording(config: HostedMachineConfig = {}): { guest: HostedGuest; passed: FaultPoint[] } {
  const passed: FaultPoint[] = [];
  const guest = new HostedGuest({ ...config, faults: (point) => void passed.push(point) });
  return { guest, passed };
}

describe("connecting a group", () => {
  it("version 2: memory is registered, a window made, what is mapped is mapped", () => {
    const { guest, passed } = recording();
    guest.put(WIN0, 0n, 0x40_0000n | RW);
    guest.plug();
    expect(passed).toEqual(["register", "create", "allocate", "map", "exchange"]);
    const [connection] = guest.hosted.connections;
    expect(connection!.container.name).toBe("spapr v2 of pci@800000020000000");
    expect(connection!.listener.initialized).toBe(true);
    expect(guest.failures).toEqual([]);
  });

  it("version 1: nothing is registered, and the default window comes with the first map", () => {
    const { guest, passed } = recording({ container: "spapr-v1" });
    guest.put(WIN0, 0n, 0x40_0000n | RW);
    guest.plug();
    expect(passed).toEqual(["allocate", "map", "exchange"]);
  });

  it("a second group joins, and sees what is mapped without another map", () => {
    const { guest, passed } = recording();
    guest.put(WIN0, 0n, 0x40_0000n | RW);
    guest.plug(0);
    passed.length = 0;
    const second = guest.plug(1);
    expect(passed).toEqual([]);
    expect(guest.hosted.connections).toHaveLength(1);
    expect(guest.hosted.reach(second, 0n, true)).toBe(0x40_0000n);
  });

  it("a second group of version 1 gets a container of its own: there is room for one", () => {
    const guest = new HostedGuest({ container: "spapr-v1" });
    guest.put(WIN0, 0n, 0x40_0000n | RW);
    const first = guest.plug(0);
    const second = guest.plug(1);
    expect(guest.hosted.connections).toHaveLength(2);
    guest.put(WIN0, 0n, 0x50_0000n | RW);
    for (const device of [first, second]) expect(guest.hosted.reach(device, 0n, true)).toBe(0x50_0000n);
    guest.hosted.unplug(first);
    expect(guest.hosted.reach(second, 0n, true)).toBe(0x50_0000n);
    expect(guest.check()).toBe(undefined);
  });

  it("two bridges have a container each, and share the registered memory", () => {
    const guest = new HostedGuest({ phbs: [{ index: 0 }, { index: 1 }] });
    const first = guest.plug(0, 0);
    const second = guest.plug(1, 1);
    guest.put(WIN0, 0n, 0x40_0000n | RW);
    expect(guest.hosted.process.memory.registered.regions.map(({ uses }) => uses)).toEqual([2]);
    expect([first, second].map((device) => guest.hosted.reach(device, 0n, true))).toEqual([
      0x40_0000n,
      undefined,
    ]);
    expect(guest.check()).toBe(undefined);
  });

  it("unplug leaves nothing, whatever goes first", () => {
    for (const accel of ["tcg", "kvm"] as const) {
      for (const container of ["spapr-v2", "spapr-v1", "type1v2"] as const) {
        for (const order of [
          [0, 1],
          [1, 0],
        ]) {
          const guest = new HostedGuest({ accel, container, kernel: LINUX_6_12 });
          const before = guest.state();
          const devices = [guest.plug(0), guest.plug(1)];
          guest.put(WIN0, 0n, 0x40_0000n | RW);
          for (const index of order) guest.hosted.unplug(devices[index]!);
          guest.put(WIN0, 0n, 0n);
          // With KVM and a container that is not tied, the table stays in user space until it is made anew.
          if (accel === "kvm") guest.hosted.machine.reset();
          expect(guest.state()).toBe(before);
        }
      }
    }
  });
});

describe("a plug that fails says why and leaves nothing", () => {
  const failing = (point: FaultPoint, config: HostedMachineConfig = {}): HostedGuest =>
    new HostedGuest({
      kernel: { ...LINUX_6_12, failedTableStaysCharged: false },
      ...config,
      faults: (at) => (at === point ? "ENOMEM" : undefined),
    });

  it.each([
    [
      "register",
      "RAM memory listener initialization failed: Memory registering failed: 0x100000000000, 0x10000000 bytes: ENOMEM",
    ],
    [
      "create",
      "memory listener initialization failed: Region tce-iommu-80000000: Failed to create SPAPR window: Failed to create a window, ret = -1 (ENOMEM)",
    ],
    [
      "allocate",
      "memory listener initialization failed: Region tce-iommu-80000000: Failed to create SPAPR window: Failed to create a window, ret = -1 (ENOMEM)",
    ],
  ] as const)("%s", (point, message) => {
    for (const accel of ["tcg", "kvm"] as const) expect(refusedPlug(failing(point, { accel }))).toBe(message);
  });

  it("a group that is in use", () => {
    const guest = new HostedGuest({ phbs: [{ index: 0 }, { index: 1 }] });
    guest.plug(0, 0);
    expect(refusedPlug(guest, 0, 1)).toBe("group 0: EBUSY");
  });

  it("a group that does not exist, or a bridge", () => {
    const guest = new HostedGuest();
    expect(() => guest.hosted.plug(7)).toThrow("the host has no group 7");
    expect(() => guest.hosted.plug(0, 3)).toThrow("the machine has no bridge 3");
  });

  it("version 1 on Linux 6.1, which does not take PowerNV groups", () => {
    const guest = new HostedGuest({ container: "spapr-v1", kernel: LINUX_6_1 });
    expect(refusedPlug(guest)).toBe("failed to set iommu for container: EPERM");
  });

  it("version 1 beyond the limit of locked memory", () => {
    const guest = new HostedGuest({ container: "spapr-v1", lockLimit: 0x7fff_ffffn });
    expect(refusedPlug(guest)).toBe("failed to enable container: ENOMEM");
  });

  it("version 1 with a dynamic window, which lies outside of the host's", () => {
    const guest = new HostedGuest({ container: "spapr-v1" });
    guest.create(16, 24);
    expect(refusedPlug(guest)).toBe(
      "memory listener initialization failed: Region tce-iommu-80000001: Container can't map guest IOVA region 0x800000000000000..0x800000000ffffff",
    );
    expect(guest.hazards).toEqual([]);
  });

  it("a window where the host has none", () => {
    const guest = new HostedGuest({ phbs: [{ index: 0, dmaWinAddr: 0x4000_0000n }] });
    expect(refusedPlug(guest)).toBe(
      "memory listener initialization failed: Region tce-iommu-80000000: Failed to create SPAPR window: Host doesn't support DMA window at 0, must be 40000000",
    );
  });
});

describe("windows at run time", () => {
  it("version 1: a dynamic window is a hazard, and goes without one", () => {
    const guest = new HostedGuest({ container: "spapr-v1" });
    guest.plug();
    guest.create(16, 24);
    expect(guest.failures).toEqual([
      "Region tce-iommu-80000001: Container can't map guest IOVA region 0x800000000000000..0x800000000ffffff",
    ]);
    expect(guest.hazards).toEqual([FATAL]);
    guest.remove(WIN1);
    expect([guest.failures.length, guest.hazards.length]).toEqual([1, 1]);
    expect(guest.check()).toBe(undefined);
  });

  it("version 2: each window of the guest has one of the host's, and goes with it", () => {
    const guest = new HostedGuest();
    guest.plug();
    const shapes = () =>
      guest.hosted.host.groups[0]!.iommu.windows.map((w) => w && [w.start, w.pageShift, w.length]);
    expect(shapes()).toEqual([[0n, 12, 0x4_0000], null]);
    // 2^14 pages: the table has a host page of entries at least.
    guest.create(16, 30);
    expect(shapes()).toEqual([
      [0n, 12, 0x4_0000],
      [HIGH, 16, 0x4000],
    ]);
    guest.remove(WIN0);
    expect(shapes()).toEqual([null, [HIGH, 16, 0x4000]]);
    guest.resetWindows();
    expect(shapes()).toEqual([[0n, 12, 0x4_0000], null]);
    expect([guest.failures, guest.hazards]).toEqual([[], []]);
  });

  it("the host's first free place is not where the window has to be: the window is given back", () => {
    const guest = new HostedGuest();
    const device = guest.plug();
    guest.create(16, 24);
    guest.remove(WIN0);
    const locked = guest.hosted.process.memory.lockedPages;
    // A larger one behind the other: what is visible of it begins where that ends.
    guest.create(16, 25);
    expect(guest.failures).toEqual([
      "Region tce-iommu-80000000: Failed to create SPAPR window: Host doesn't support DMA window at 0, must be 800000001000000",
    ]);
    expect(guest.hazards).toEqual([FATAL]);
    expect(guest.hosted.host.groups[0]!.iommu.windows[0]).toBe(null);
    expect(guest.hosted.process.memory.lockedPages).toBe(locked);
    guest.hosted.unplug(device);
    expect(guest.hosted.process.memory.lockedPages).toBe(0);
  });

  it("a window without a whole page of the host is told of", () => {
    const guest = new HostedGuest();
    guest.plug();
    guest.create(12, 14);
    expect(guest.failures).toEqual([
      "section 0x800000000000000 of tce-iommu-80000001 has no whole page of the host",
    ]);
  });

  it("an overlap with a window that the container has is refused", () => {
    const guest = new HostedGuest();
    guest.plug();
    const [{ container, listener }] = guest.hosted.connections as [(typeof guest.hosted.connections)[0]];
    const { section } = listener.guestIommus[0]!;
    expect(container.addWindow?.(section)).toBe(
      "region [0x0,0x3fffffff] overlaps with existinghost DMA window [0x0,0x3fffffff]",
    );
    expect(container.removeWindow?.(section)).toBe(undefined);
    expect(container.removeWindow?.(section)).toBe("Cannot delete missing window at 0");
  });
});

describe("the listener", () => {
  /** A container that notes what it is asked. */
  function noting(guest: HostedGuest, hostPageSize = 0x1_0000n) {
    const calls: string[] = [];
    const noteSection = (call: string) => (section: FlatRange) => {
      calls.push(`${call} ${section.address.toString(16)}`);
      return undefined;
    };
    const notePages =
      (call: string) =>
      ({ iova }: DmaRun) => {
        calls.push(`${call} ${iova.toString(16)}`);
        return 0 as const;
      };
    const container: DmaContainer = {
      name: "noting",
      hostPageSize,
      addWindow: noteSection("add"),
      removeWindow: noteSection("remove"),
      map: notePages("map"),
      unmap: notePages("unmap"),
      unmapStale: notePages("stale"),
    };
    const { machine } = guest.hosted;
    const listener = new VfioListener({ container, systemMemory: machine.systemMemory });
    return { calls, listener, memory: machine.memory, space: machine.phb(0).addressSpace };
  }

  it("makes the window, then maps; unmaps all, then removes the window", () => {
    const guest = new HostedGuest();
    guest.put(WIN0, 0x1000n, 0x40_0000n | RW);
    const { calls, listener, memory, space } = noting(guest);
    memory.register(listener, space);
    expect(calls.splice(0)).toEqual(["add 0", "map 1000"]);
    guest.create(16, 24);
    expect(calls.splice(0)).toEqual(["add 800000000000000"]);
    guest.remove(WIN1);
    expect(calls.splice(0)).toEqual(["unmap 800000000000000", "remove 800000000000000"]);
    memory.unregister(listener);
    expect(calls).toEqual(["unmap 0", "remove 0"]);
    expect(guest.hosted.machine.phb(0).windows[0]!.needVfio).toBe(false);
  });

  it("leaves out what begins in the upper half of the bus", () => {
    const guest = new HostedGuest({ phbs: [{ index: 0, dma64WinAddr: 1n << 63n }] });
    const { calls, listener, memory, space } = noting(guest);
    memory.register(listener, space);
    guest.create(16, 24);
    expect(calls).toEqual(["add 0"]);
  });
});
