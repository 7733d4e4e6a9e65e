import { describe, expect, it } from "vitest";
import { hiOf, loOf } from "../../src/base/u64.ts";
import type { HostTable } from "../../src/kvm/ports.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import { TCE_READ, TCE_WRITE } from "../../src/tce/tce.ts";
import type { HardwareTable } from "../../src/vfio/host/hardware-table.ts";
import { LINUX_6_1, LINUX_6_12 } from "../../src/vfio/host/profile.ts";
import type { HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import { RAM_VADDR } from "../../src/vfio/process-memory.ts";
import { HIGH, HostedGuest, RW, WIN0, WIN1 } from "./hosted-guest.ts";

/**
 * The invariants between the layers (docs/behaviour.md), as far as they are
 * about the host's side: what a violation does to it, and a correct sequence.
 * All of them, with what catches them, are in test/lab/invariants.test.ts.
 */

const V2_KVM: HostedMachineConfig = { accel: "kvm" };

/** The hardware table behind a window of group 0. */
const table = ({ hosted }: HostedGuest, slot = 0) => hosted.host.groups[0]!.iommu.windows[slot]!;
const registered = ({ hosted }: HostedGuest) => hosted.process.memory.registered;
const region = (guest: HostedGuest) => registered(guest).regions[0]!;
/** The in-kernel table of a window. */
const kernelTable = ({ hosted }: HostedGuest, liobn: number) => {
  const window = [...hosted.machine.env.liobns].find((other) => other.liobn === liobn)!;
  return hosted.kvm!.table(window.fd)!;
};

interface Invariant {
  /** Breaks the rule; answers what is caught. */
  readonly violated: () => void;
  readonly kept: () => void;
}

const INVARIANTS: Readonly<Record<number, Invariant>> = {
  // STACK-INV-1: every bus address that is used lies in a window that exists.
  1: {
    violated: () => {
      const guest = new HostedGuest({ container: "spapr-v1" });
      const device = guest.plug();
      const { liobn, start } = guest.create(16, 24);
      expect(guest.failures[0]).toMatch(/Container can't map guest IOVA region/);
      expect(guest.hazards).toHaveLength(1);
      guest.put(liobn, start, 0x40_0000n | RW);
      expect(guest.hosted.reach(device, start, false)).toBe(undefined);
      expect(guest.check()).toMatchObject({ kind: "missing", iova: HIGH });
    },
    kept: () => {
      const guest = new HostedGuest();
      const device = guest.plug();
      const { liobn, start } = guest.create(16, 24);
      guest.put(liobn, start, 0x40_0000n | RW);
      expect(guest.hosted.reach(device, start, true)).toBe(0x40_0000n);
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-2: the entry that is used has the permission that is needed.
  2: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | BigInt(TCE_READ));
      table(guest).entries.put(0, 0, table(guest).entries.get(0) === 0n ? 0 : loOfEntry(guest) | TCE_WRITE);
      expect(guest.check()).toMatchObject({ kind: "wrong", iova: 0n });
    },
    kept: () => {
      const guest = new HostedGuest();
      const device = guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | BigInt(TCE_READ));
      guest.put(WIN0, 0x1000n, 0x41_0000n | BigInt(TCE_WRITE));
      expect(guest.hosted.reach(device, 0n, false)).toBe(0x40_0000n);
      expect(guest.hosted.reach(device, 0n, true)).toBe(undefined);
      // Whoever may write may read, on this bridge.
      expect(guest.hosted.reach(device, 0x1000n, true)).toBe(0x41_0000n);
      expect(guest.hosted.reach(device, 0x1000n, false)).toBe(0x41_0000n);
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-6: the guest's table equals the hardware's.
  6: {
    violated: () => {
      const wrong = new HostedGuest(V2_KVM);
      wrong.plug();
      wrong.put(WIN0, 0n, 0x40_0000n | RW);
      mapBehind(wrong, table(wrong), 0, 0x50_0000);
      expect(wrong.check()).toMatchObject({ kind: "wrong", iova: 0n });

      const missing = new HostedGuest(V2_KVM);
      missing.plug();
      missing.put(WIN0, 0n, 0x40_0000n | RW);
      table(missing).clear(0, 1);
      expect(missing.check()).toMatchObject({ kind: "missing", iova: 0n });

      // Writing the in-kernel table through its mapping, which nobody hears of.
      const silent = new HostedGuest(V2_KVM);
      silent.plug();
      kernelTable(silent, WIN0).write(0, 0x40_0003n);
      expect(silent.check()).toMatchObject({ kind: "missing", iova: 0n });
    },
    kept: () => {
      for (const accel of ["tcg", "kvm"] as const) {
        const guest = new HostedGuest({ accel });
        const device = guest.plug();
        for (const tce of [0x40_0003n, 0x50_0003n, 0x50_0001n, 0n, 0x60_0003n]) {
          guest.put(WIN0, 0n, tce);
          expect(guest.check()).toBe(undefined);
        }
        expect(guest.hosted.reach(device, 0n, true)).toBe(0x60_0000n);
      }
    },
  },
  // STACK-INV-7: a window that was just created is empty in all views.
  7: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.create(16, 24);
      mapBehind(guest, table(guest, 1), 5, 0x40_0000);
      expect(guest.check()).toMatchObject({ kind: "stale", iova: HIGH + 0x5_0000n });
    },
    kept: () => {
      const guest = new HostedGuest(V2_KVM);
      guest.plug();
      const first = guest.create(16, 24);
      guest.put(first.liobn, first.start, 0x40_0000n | RW);
      guest.remove(first.liobn);
      const again = guest.create(16, 24);
      expect(again).toEqual(first);
      expect(guest.get(again.liobn, again.start)).toBe(0n);
      expect(kernelTable(guest, WIN1).entries.validCount).toBe(0);
      expect(table(guest, 1).entries.validCount).toBe(0);
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-8: a populated table that is attached has to be replayed; an empty one need not be.
  8: {
    violated: () => {
      // Waiting for the first change fails under KVM: the kernel handles it, and nobody hears of it.
      const guest = new HostedGuest({ ...V2_KVM, lazyReplay: true });
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      const device = guest.plug();
      expect(guest.check()).toMatchObject({ kind: "missing", iova: 0n });
      guest.put(WIN0, 0x1000n, 0x50_0000n | RW);
      expect(guest.hosted.machine.servedBy).toBe("kvm");
      expect(guest.hosted.reach(device, 0n, false)).toBe(undefined);
      expect(guest.hosted.reach(device, 0x1000n, false)).toBe(0x50_0000n);
      expect(guest.check()).toMatchObject({ kind: "missing", iova: 0n });
    },
    kept: () => {
      const guest = new HostedGuest(V2_KVM);
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      const device = guest.plug();
      expect(guest.hosted.reach(device, 0n, false)).toBe(0x40_0000n);
      const window = guest.hosted.machine.phb(0).windows[1]!;
      guest.create(16, 24);
      expect(window.lastReplay?.strategy).toBe("skipped");
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-9: before a window is removed or reset, no valid entry remains (the platform clears it anyway).
  9: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug();
      const { liobn, start } = guest.create(16, 24);
      guest.put(liobn, start, 0x40_0000n | RW);
      expect(region(guest).mapped).toBe(1);
      guest.remove(liobn);
      // The guest left an entry; the listener unmapped all of the section, so nothing leaks.
      expect(region(guest).mapped).toBe(0);
      // The kernel alone: an entry that it is not asked to clear keeps the region.
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      table(guest).clear(0, 1);
      guest.hosted.unplug(guest.hosted.devices[0]!);
      expect(registered(guest).regions).toHaveLength(1);
    },
    kept: () => {
      const guest = new HostedGuest();
      guest.plug();
      const { liobn, start } = guest.create(16, 24);
      guest.put(liobn, start, 0x40_0000n | RW);
      guest.put(liobn, start, 0n);
      guest.remove(liobn);
      expect(region(guest).mapped).toBe(0);
      guest.hosted.unplug(guest.hosted.devices[0]!);
      expect(registered(guest).regions).toEqual([]);
    },
  },
  // STACK-INV-10: after a removal nothing refers to the table.
  10: {
    violated: () => {
      const guest = new HostedGuest(V2_KVM);
      guest.plug();
      const orphan = table(guest);
      const { iommu } = guest.hosted.connections[0]!.kernel!.object;
      // Behind KVM's back: it goes on writing to the table, and the device has none.
      expect(iommu!.removeWindow(guest.hosted.process, { start: 0n })).toBe(0);
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      expect(guest.hosted.machine.servedBy).toBe("kvm");
      expect(orphan.entries.validCount).toBe(1);
      expect(guest.check()).toMatchObject({ kind: "missing", iova: 0n });
    },
    kept: () => {
      const guest = new HostedGuest(V2_KVM);
      guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      const kernel = kernelTable(guest, WIN0);
      const gone = table(guest);
      expect(attachedTo(kernel.attached)).toEqual([gone]);
      guest.hosted.unplug(guest.hosted.devices[0]!);
      expect(kernel.attached).toEqual([]);
      guest.put(WIN0, 0n, 0x50_0000n | RW);
      expect(gone.entries.validCount).toBe(0);

      // A window that another one hides keeps its in-kernel table, but not the host's.
      const hidden = new HostedGuest({ ...V2_KVM, phbs: [{ index: 0, dma64WinAddr: 0n }] });
      const device = hidden.plug();
      hidden.put(WIN0, 0n, 0x40_0000n | RW);
      hidden.create(16, 30);
      expect(kernelTable(hidden, WIN0).attached).toEqual([]);
      expect(attachedTo(kernelTable(hidden, WIN1).attached)).toEqual([table(hidden)]);
      hidden.put(WIN0, 0x1000n, 0x50_0000n | RW);
      expect(hidden.hosted.reach(device, 0n, false)).toBe(undefined);
      hidden.remove(WIN1);
      expect(hidden.hosted.reach(device, 0n, false)).toBe(0x40_0000n);
      expect(hidden.hosted.reach(device, 0x1000n, false)).toBe(0x50_0000n);
      expect(region(hidden).mapped).toBe(2);
      expect(hidden.check()).toBe(undefined);
    },
  },
  // STACK-INV-11: a window that goes takes its pages out of the regions' counters.
  11: {
    violated: () => {
      // The kernel's own leak: an entry of a list without permission bits counts, and is never uncounted.
      const guest = new HostedGuest(V2_KVM);
      guest.plug();
      guest.indirect(WIN0, 0n, [0x40_0000n, 0x41_0003n]);
      expect(region(guest).mapped).toBe(2);
      guest.stuff(WIN0, 0n, 0n, 2);
      expect(region(guest).mapped).toBe(1);
      guest.hosted.unplug(guest.hosted.devices[0]!);
      expect(registered(guest).regions).toHaveLength(1);
    },
    kept: () => {
      const guest = new HostedGuest({ ...V2_KVM, groups: 2 });
      guest.plug(0);
      guest.plug(1);
      const { liobn, start } = guest.create(16, 24);
      guest.indirect(WIN0, 0n, [0x40_0003n, 0x41_0003n]);
      guest.indirect(liobn, start, [0x40_0003n, 0x40_0003n, 0x50_0001n]);
      expect(region(guest).mapped).toBe(5);
      guest.remove(liobn);
      expect(region(guest).mapped).toBe(2);
    },
  },
  // STACK-INV-12: memory is unregistered only when nothing maps it.
  12: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      const locked = guest.hosted.process.memory.lockedPages;
      expect(unregister(guest)).toBe(0);
      // The kernel said yes, and the pages stay locked.
      expect(region(guest).mapped).toBe(1);
      expect(guest.hosted.process.memory.lockedPages).toBe(locked);
      const strict = new HostedGuest({ kernel: { ...LINUX_6_12, unregisterIgnoresMappings: false } });
      strict.plug();
      strict.put(WIN0, 0n, 0x40_0000n | RW);
      expect(unregister(strict)).toBe("EBUSY");
    },
    kept: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      guest.put(WIN0, 0n, 0n);
      const locked = guest.hosted.process.memory.lockedPages;
      expect(unregister(guest)).toBe(0);
      expect(registered(guest).regions).toEqual([]);
      expect(guest.hosted.process.memory.lockedPages).toBe(locked - 0x1000);
    },
  },
  // STACK-INV-13: what is mapped lies in one region, in pages large enough.
  13: {
    violated: () => {
      for (const accel of ["tcg", "kvm"] as const) {
        const guest = new HostedGuest({ accel });
        const device = guest.plug();
        unregister(guest);
        guest.put(WIN0, 0n, 0x40_0000n | RW);
        expect(guest.hosted.machine.servedBy).toBe("qemu");
        expect(guest.failures).toEqual(["vfio_container_dma_map at 0x0000000000000000 = EINVAL"]);
        expect(guest.hosted.reach(device, 0n, false)).toBe(undefined);
        expect(guest.check()).toMatchObject({ kind: "missing", iova: 0n });
      }
    },
    kept: () => {
      const guest = new HostedGuest({ ...V2_KVM, ramPageShift: 24 });
      const device = guest.plug();
      const { liobn, start } = guest.create(24, 28);
      // 16 MiB pages of the guest; the host has none, so it takes its next smaller ones.
      expect(table(guest, 1).pageShift).toBe(21);
      guest.put(liobn, start, 0x100_0000n | RW);
      expect(guest.hosted.machine.servedBy).toBe("kvm");
      expect(guest.hosted.reach(device, start + 0xab_cdefn, true)).toBe(0x1ab_cdefn);
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-18: no entry points outside of memory.
  18: {
    violated: () => {
      for (const accel of ["tcg", "kvm"] as const) {
        const guest = new HostedGuest({ accel });
        const device = guest.plug();
        guest.put(WIN0, 0n, 0x40_0000n | RW);
        guest.put(WIN0, 0n, 0x7000_0003n);
        expect(guest.hosted.machine.servedBy).toBe("qemu");
        expect(guest.hosted.messages).toEqual(["iommu map to non memory area 70000000"]);
        expect(guest.hosted.reach(device, 0n, false)).toBe(undefined);
      }
      // QEMU leaves the device on the old page there.
      const stale = new HostedGuest({ profile: "qemu-11.1" });
      const device = stale.plug();
      stale.put(WIN0, 0n, 0x40_0000n | RW);
      stale.put(WIN0, 0n, 0x7000_0003n);
      expect(stale.hosted.reach(device, 0n, false)).toBe(0x40_0000n);
      expect(stale.check()).toMatchObject({ kind: "stale", iova: 0n });
    },
    kept: () => {
      const guest = new HostedGuest(V2_KVM);
      const device = guest.plug();
      guest.put(WIN0, 0n, 0x0fff_f003n);
      expect(guest.hosted.reach(device, 0xfffn, true)).toBe(0x0fff_ffffn);
      // Poison without permission bits may be anything.
      guest.put(WIN0, 0n, 0xdead_beef_0000_0000n);
      expect(guest.hosted.messages).toEqual([]);
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-19: a call of several pages lies in the window entirely.
  19: {
    violated: () => {
      const guest = new HostedGuest({ ...V2_KVM, phbs: [{ index: 0, dmaWinSize: 0x100_0000n }] });
      const device = guest.plug();
      const last = 0x100_0000n - 0x1000n;
      // The kernel checks the first page only; behind its table there is no defined answer (KVM-TABLE-5).
      expect(guest.stuff(WIN0, last, 0n, 0x1_0000)).toBe(-4);
      expect(guest.check()).toBe(undefined);
      expect(guest.hosted.reach(device, last, false)).toBe(undefined);
      const tcg = new HostedGuest({ phbs: [{ index: 0, dmaWinSize: 0x100_0000n }] });
      tcg.plug();
      // QEMU stores what is inside, and so does the device's table.
      expect(tcg.indirect(WIN0, last, [0x40_0003n, 0x50_0003n])).toBe(-4);
      expect(tcg.check()).toBe(undefined);
    },
    kept: () => {
      const guest = new HostedGuest(V2_KVM);
      guest.plug();
      expect(guest.indirect(WIN0, 0x4000_0000n - 0x2000n, [0x40_0003n, 0x50_0003n])).toBe(0);
      expect(guest.check()).toBe(undefined);
    },
  },
  // STACK-INV-24: windows of a bridge do not overlap, and lie where the host puts them.
  24: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.create(16, 24);
      guest.remove(WIN0);
      // The first slot of the host is free, and begins at 0; the guest's window begins elsewhere.
      guest.create(16, 26);
      expect(guest.hazards).not.toEqual([]);
      expect(guest.failures.some((message) => /Failed to create SPAPR window/.test(message))).toBe(true);
    },
    kept: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.create(16, 24);
      expect(guest.hosted.host.groups[0]!.iommu.windows.map((window) => window?.start)).toEqual([0n, HIGH]);
      expect([guest.failures, guest.hazards]).toEqual([[], []]);
    },
  },
  // STACK-INV-25: after a reset there is the default window only, empty.
  25: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug();
      guest.create(16, 24);
      guest.hosted.machine.reset();
      mapBehind(guest, table(guest), 0, 0x40_0000);
      expect(guest.check()).toMatchObject({ kind: "stale", iova: 0n });
    },
    kept: () => {
      for (const accel of ["tcg", "kvm"] as const) {
        const guest = new HostedGuest({ accel });
        guest.plug();
        guest.put(WIN0, 0n, 0x40_0000n | RW);
        const { liobn, start } = guest.create(16, 24);
        guest.put(liobn, start, 0x40_0000n | RW);
        guest.remove(WIN0);
        guest.hosted.machine.reset();
        const [first, second] = guest.hosted.host.groups[0]!.iommu.windows;
        expect([first!.start, first!.length, first!.entries.validCount, second]).toEqual([
          0n,
          0x4_0000,
          0,
          null,
        ]);
        expect(guest.get(WIN0, 0n)).toBe(0n);
        expect(guest.check()).toBe(undefined);
      }
    },
  },
  // STACK-INV-28: the account of locked memory is balanced.
  28: {
    violated: () => {
      let fails = true;
      const faults = (point: string) => (fails && point === "allocate" ? ("ENOMEM" as const) : undefined);
      const guest = new HostedGuest({ faults });
      expect(guest.hosted.plug(0).ok).toBe(false);
      fails = false;
      const leaked = guest.hosted.process.memory.lockedPages;
      expect(leaked).toBeGreaterThan(0);
      guest.hosted.unplug(guest.plug());
      expect(guest.hosted.process.memory.lockedPages).toBe(leaked);
    },
    kept: () => {
      for (const container of ["spapr-v2", "spapr-v1", "type1v2"] as const) {
        const guest = new HostedGuest({ container });
        for (let round = 0; round < 3; round++) {
          guest.put(WIN0, 0n, 0x40_0000n | RW);
          const device = guest.plug();
          guest.put(WIN0, 0n, 0x50_0000n | RW);
          expect(guest.hosted.process.memory.lockedPages).toBeGreaterThan(0);
          guest.hosted.unplug(device);
          expect(guest.hosted.process.memory.lockedPages).toBe(0);
        }
      }
    },
  },
  // STACK-INV-29: two groups of one container see the same.
  29: {
    violated: () => {
      const guest = new HostedGuest();
      guest.plug(0);
      guest.plug(1);
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      guest.hosted.host.groups[1]!.iommu.windows[0] = null;
      expect(guest.check()).toMatchObject({ device: "device 1", kind: "missing" });
    },
    kept: () => {
      for (const kernel of [LINUX_6_12, LINUX_6_1]) {
        for (const accel of ["tcg", "kvm"] as const) {
          const guest = new HostedGuest({ accel, kernel });
          guest.put(WIN0, 0n, 0x40_0000n | RW);
          const first = guest.plug(0);
          const second = guest.plug(1);
          const seen = () => [first, second].map((device) => guest.hosted.reach(device, 0n, true));
          expect(seen()).toEqual([0x40_0000n, 0x40_0000n]);
          // 6.12 clears all entries when one leaves; the other one gets them back.
          guest.hosted.unplug(first);
          expect(guest.hosted.reach(second, 0n, true)).toBe(0x40_0000n);
          guest.put(WIN0, 0n, 0x50_0000n | RW);
          expect(guest.hosted.reach(second, 0n, true)).toBe(0x50_0000n);
          expect(guest.check()).toBe(undefined);
        }
      }
    },
  },
};

/** The low half of the hardware's first entry. */
function loOfEntry(guest: HostedGuest): number {
  const { entries } = table(guest);
  entries.load(0);
  return entries.lo;
}

/** Maps a page of guest memory in the hardware, of which nobody else hears. */
function mapBehind(guest: HostedGuest, hardware: HardwareTable, index: number, address: number): void {
  const vaddr = BigInt(RAM_VADDR + address);
  const permission = TCE_READ | TCE_WRITE;
  expect(hardware.mapPage(registered(guest), index, hiOf(vaddr), loOf(vaddr), permission)).toBe(0);
}

const attachedTo = (tables: readonly HostTable[]): object[] => tables.map(({ identity }) => identity);

/** UNREGISTER of the guest's memory, behind QEMU's back. */
function unregister(guest: HostedGuest) {
  const { start, end } = region(guest);
  const { iommu } = guest.hosted.connections[0]!.kernel!.object;
  const request = { vaddr: BigInt(start), size: BigInt(end - start) };
  return iommu!.unregisterMemory(guest.hosted.process, request);
}

describe.each(Object.entries(INVARIANTS))("invariant %s", (_number, { violated, kept }) => {
  it("a violation is caught", violated);
  it("a correct sequence passes", kept);
});

it("H_GET_TCE reads what the guest put, not what the hardware has", () => {
  const guest = new HostedGuest(V2_KVM);
  guest.plug();
  guest.put(WIN0, 0n, 0x40_0003n);
  table(guest).clear(0, 1);
  expect(guest.hosted.machine.call(Hcall.GET_TCE, WIN0, 0n).registers.get(4)).toBe(0x40_0003n);
});
