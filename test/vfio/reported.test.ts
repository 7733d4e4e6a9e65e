import { describe, expect, it } from "vitest";
import type { HostedMachine } from "../../src/vfio/hosted-machine.ts";
import { TYPE1_MAX_MAPPINGS } from "../../src/vfio/type1-container.ts";
import { HIGH, HostedGuest, RW, WIN0, WIN1 } from "./hosted-guest.ts";

/** Situations that people have asked about in public. */

describe("a window of one page of 16 GiB", () => {
  const bridge = { index: 0, pgsz: 0xf_ffff_f000n };
  const ramSize = 0x4_0000_0000n;
  // The host's pages: the largest that neither the guest's nor those behind its memory are smaller than.
  it.each([
    { ramPageShift: 16, host: 16 },
    { ramPageShift: 24, host: 21 },
    { ramPageShift: 30, host: 30 },
  ])(
    "memory in pages of 2^$ramPageShift: the host's window has pages of 2^$host",
    ({ ramPageShift, host }) => {
      for (const accel of ["tcg", "kvm"] as const) {
        const guest = new HostedGuest({ accel, ramSize, ramPageShift, phbs: [bridge] });
        const device = guest.plug();
        expect(guest.create(34, 34)).toEqual({ status: 0, liobn: WIN1, start: HIGH });
        expect(guest.hosted.host.groups[0]!.iommu.windows.map((window) => window?.pageShift)).toEqual([
          12,
          host,
        ]);
        expect(guest.put(WIN1, HIGH, RW)).toBe(0);
        expect(guest.failures).toEqual([]);
        expect(guest.hosted.reach(device, HIGH + 0x1234_5678n, false)).toBe(0x1234_5678n);
        expect(guest.check()).toBe(undefined);
      }
    },
  );

  it("is refused where the bridge does not offer such pages", () => {
    expect(new HostedGuest({ ramSize }).create(34, 34).status).toBe(-3);
  });
});

it("type1: the mapping behind the 65,535th is ENOSPC, and the guest is told success", () => {
  const guest = new HostedGuest({
    container: "type1v2",
    ramSize: 0x4000_0000n,
    phbs: [{ index: 0, dmaWinSize: 0x2000_0000n }],
    coherence: false,
  });
  guest.plug();
  // Targets that never go on from one page to the next, so that no two are one mapping.
  const put = (page: number): number =>
    guest.put(WIN0, BigInt(page) * 0x1000n, BigInt((page * 7919) % 200_000) * 0x1000n + RW);
  let refused = 0;
  for (let page = 0; page < TYPE1_MAX_MAPPINGS; page++) refused |= put(page);
  expect([refused, guest.failures]).toEqual([0, []]);
  expect(put(TYPE1_MAX_MAPPINGS)).toBe(0);
  expect(guest.failures).toEqual(["vfio_container_dma_map at 0x000000000ffff000 = ENOSPC"]);
});

describe("locked memory of a guest with one device, in MiB", () => {
  // All of the guest's memory, the in-kernel table of the 1 GiB window and the host's two copies of
  // it; then the same of the huge window, whose host table has two levels above 64 GiB.
  it.each([
    { gib: 16, shift: 36, plugged: 16_390.0625, windows: 16_414.125 },
    { gib: 64, shift: 38, plugged: 65_542.0625, windows: 65_638.25 },
    { gib: 256, shift: 40, plugged: 262_150.0625, windows: 262_534.25 },
  ])("$gib GiB and a window of 2^$shift: $plugged, then $windows", ({ gib, shift, plugged, windows }) => {
    const guest = new HostedGuest({ accel: "kvm", ramSize: BigInt(gib) << 30n });
    const locked = ({ process }: HostedMachine): number => (process.memory.lockedPages * 0x1_0000) / 2 ** 20;
    guest.plug();
    expect(locked(guest.hosted)).toBe(plugged);
    expect(guest.create(16, shift).status).toBe(0);
    expect(locked(guest.hosted)).toBe(windows);
    expect(guest.failures).toEqual([]);
  });
});
