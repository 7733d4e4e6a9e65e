import { describe, expect, it } from "vitest";
import { Hcall } from "../../src/spapr/papr.ts";
import type { HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import { HIGH, HostedGuest, RW, WIN0, WIN1 } from "./hosted-guest.ts";

/** Who serves each of the four calls now; the calls change nothing that counts. */
function serversOf(guest: HostedGuest, liobn = WIN0, start = 0n): Record<string, string> {
  const { machine } = guest.hosted;
  const at = start + 0x10_0000n;
  const calls: Record<string, () => unknown> = {
    put: () => guest.put(liobn, at, 0x40_0000n | RW),
    get: () => guest.get(liobn, at),
    indirect: () => guest.indirect(liobn, at, [0x41_0003n, 0x42_0003n]),
    stuff: () => guest.stuff(liobn, at, 0n, 2),
  };
  return Object.fromEntries(
    Object.entries(calls).map(([name, call]) => {
      call();
      return [name, machine.servedBy];
    }),
  );
}

const ALL_KVM = { put: "kvm", get: "kvm", indirect: "kvm", stuff: "kvm" };
const ALL_QEMU = { put: "qemu", get: "qemu", indirect: "qemu", stuff: "qemu" };

describe("who serves the four calls", () => {
  it("TCG: always QEMU", () => {
    const guest = new HostedGuest();
    expect(serversOf(guest)).toEqual(ALL_QEMU);
    guest.plug();
    expect(serversOf(guest)).toEqual(ALL_QEMU);
  });

  it("KVM with tied tables: always KVM, in old and new windows", () => {
    const guest = new HostedGuest({ accel: "kvm" });
    expect(serversOf(guest)).toEqual(ALL_KVM);
    const device = guest.plug();
    expect(serversOf(guest)).toEqual(ALL_KVM);
    const { liobn, start } = guest.create(16, 24);
    expect(serversOf(guest, liobn, start)).toEqual(ALL_KVM);
    guest.hosted.unplug(device);
    expect(serversOf(guest)).toEqual(ALL_KVM);
  });

  const untied: readonly HostedMachineConfig[] = [
    { kvmTiesTables: false },
    { container: "spapr-v1" },
    { container: "type1v2" },
  ];
  it.each(untied)(
    "KVM without (%o): QEMU while a device is there, and until the table is made anew",
    (config) => {
      const guest = new HostedGuest({ accel: "kvm", ...config });
      const window = guest.hosted.machine.phb(0).windows[0]!;
      expect(serversOf(guest)).toEqual(ALL_KVM);
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      const before = window.table;
      const device = guest.plug();
      expect([window.needVfio, window.fd]).toEqual([true, -1]);
      // The entries stay where they are: the switch copies nothing.
      expect(window.table).toBe(before);
      expect(guest.get(WIN0, 0n)).toBe(0x40_0003n);
      expect(guest.hosted.reach(device, 0n, true)).toBe(0x40_0000n);
      expect(serversOf(guest)).toEqual(ALL_QEMU);
      guest.put(WIN0, 0n, 0x50_0000n | RW);
      expect(guest.hosted.reach(device, 0n, true)).toBe(0x50_0000n);
      guest.put(WIN0, 0n, 0n);
      expect(guest.hosted.reach(device, 0n, true)).toBe(undefined);
      expect(guest.check()).toBe(undefined);

      guest.hosted.unplug(device);
      expect(window.needVfio).toBe(false);
      expect(serversOf(guest)).toEqual(ALL_QEMU);
      guest.hosted.machine.reset();
      expect(serversOf(guest)).toEqual(ALL_KVM);
    },
  );

  it("KVM without tied tables: a window that is made while a device is there is QEMU's from the start", () => {
    const guest = new HostedGuest({ accel: "kvm", kvmTiesTables: false });
    const device = guest.plug();
    const { liobn, start } = guest.create(16, 24);
    expect(serversOf(guest, liobn, start)).toEqual(ALL_QEMU);
    guest.put(liobn, start, 0x40_0000n | RW);
    expect(guest.hosted.reach(device, HIGH, true)).toBe(0x40_0000n);
    guest.hosted.machine.reset();
    // The default window is made anew, and the device's listener is told of it at once.
    expect(serversOf(guest)).toEqual(ALL_QEMU);
    expect(guest.check()).toBe(undefined);
  });

  it("all accounts are balanced after the switch", () => {
    const guest = new HostedGuest({ accel: "kvm", kvmTiesTables: false });
    const { memory } = guest.hosted.process;
    const inKernel = memory.lockedPages;
    expect(inKernel).toBeGreaterThan(0);
    guest.hosted.unplug(guest.plug());
    // The in-kernel table is gone.
    expect(memory.lockedPages).toBe(0);
    guest.hosted.machine.reset();
    expect(memory.lockedPages).toBe(inKernel);
  });
});

describe("what KVM does not handle, QEMU does, by its own rules", () => {
  const plugged = (config: HostedMachineConfig = {}) => {
    const guest = new HostedGuest({ accel: "kvm", ...config });
    return { guest, device: guest.plug(), machine: guest.hosted.machine };
  };

  it("an entry that is not aligned: QEMU cuts it to the page", () => {
    const { guest, device, machine } = plugged();
    const { liobn, start } = guest.create(16, 24);
    expect(guest.put(liobn, start, 0x40_1003n)).toBe(0);
    expect(machine.servedBy).toBe("qemu");
    expect(guest.get(liobn, start)).toBe(0x40_1003n);
    expect(guest.hosted.reach(device, start + 0x123n, true)).toBe(0x40_0123n);
    expect(guest.check()).toBe(undefined);
  });

  it("an entry outside of memory over a live one: stored, and the device loses the page", () => {
    const { guest, device, machine } = plugged();
    guest.put(WIN0, 0n, 0x40_0003n);
    expect(guest.put(WIN0, 0n, 0x7000_0003n)).toBe(0);
    expect(machine.servedBy).toBe("qemu");
    expect(guest.get(WIN0, 0n)).toBe(0x7000_0003n);
    expect(guest.hosted.reach(device, 0n, false)).toBe(undefined);
    expect(guest.check()).toBe(undefined);
  });

  it("a list with one such entry: QEMU runs all of it", () => {
    const { guest, device, machine } = plugged();
    guest.indirect(WIN0, 0n, [0x40_0003n, 0x41_0003n, 0x42_0003n]);
    expect(machine.servedBy).toBe("kvm");
    expect(guest.indirect(WIN0, 0n, [0x50_0003n, 0x7000_0003n, 0x52_0001n])).toBe(0);
    expect(machine.servedBy).toBe("qemu");
    const seen = [0n, 0x1000n, 0x2000n].map((iova) => guest.hosted.reach(device, iova, false));
    expect(seen).toEqual([0x50_0000n, undefined, 0x52_0000n]);
    expect(guest.check()).toBe(undefined);
  });

  it("a list outside of memory: QEMU reads zeros", () => {
    const { guest, machine } = plugged();
    guest.put(WIN0, 0n, 0x40_0003n);
    expect(machine.call(Hcall.PUT_TCE_INDIRECT, WIN0, 0n, 0x7000_0000n, 2).status).toBe(0);
    expect(machine.servedBy).toBe("qemu");
    expect(guest.get(WIN0, 0n)).toBe(0n);
    expect(guest.check()).toBe(undefined);
  });

  it("a bus number without a table", () => {
    const { guest, machine } = plugged();
    expect(guest.put(WIN1, 0n, 0x40_0003n)).toBe(-4);
    expect(machine.servedBy).toBe("qemu");
  });

  it("the kernel's exchange fails: the entry is cleared, and QEMU maps it", () => {
    let fails = false;
    const { guest, device, machine } = plugged({
      faults: (point) => {
        if (!fails || point !== "exchange") return undefined;
        fails = false;
        return "ENOMEM";
      },
    });
    guest.put(WIN0, 0n, 0x40_0003n);
    fails = true;
    expect(guest.put(WIN0, 0n, 0x50_0003n)).toBe(0);
    expect(machine.servedBy).toBe("qemu");
    expect(guest.hosted.reach(device, 0n, true)).toBe(0x50_0000n);
    expect(guest.check()).toBe(undefined);
  });

  it("and what KVM refuses, QEMU never sees", () => {
    const { guest, machine } = plugged();
    // QEMU would round the address down.
    expect(guest.put(WIN0, 0x123n, 0x40_0003n)).toBe(-4);
    expect(machine.servedBy).toBe("kvm");
    // QEMU would map the same page many times.
    expect(guest.stuff(WIN0, 0n, 0x40_0003n, 4)).toBe(-4);
    expect(machine.servedBy).toBe("kvm");
    expect(guest.check()).toBe(undefined);
  });

  it("a bus number of more than 32 bits is nobody's", () => {
    const { machine } = plugged();
    const { status } = machine.call(Hcall.PUT_TCE, (1n << 32n) | BigInt(WIN0), 0n, 0x40_0003n);
    expect([status, machine.servedBy]).toEqual([-4, "qemu"]);
  });
});

it("the second group's tables are tied, too: they stay when the first group goes", () => {
  const guest = new HostedGuest({ accel: "kvm" });
  const first = guest.plug(0);
  const second = guest.plug(1);
  guest.hosted.unplug(first);
  guest.put(WIN0, 0n, 0x40_0003n);
  expect(guest.hosted.machine.servedBy).toBe("kvm");
  expect(guest.hosted.reach(second, 0n, true)).toBe(0x40_0000n);
  expect(guest.check()).toBe(undefined);
});
