import { describe, expect, it } from "vitest";
import { loadTables, saveTables } from "../../src/spapr/saved-table.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { storedOf } from "../tce/model.ts";
import { HIGH, HostedGuest, WIN0 } from "./hosted-guest.ts";

describe("under KVM", () => {
  it("a window is saved without the rest of its last page, and loaded into the kernel's table", () => {
    const source = new HostedGuest({ accel: "kvm" });
    const { liobn } = source.create(16, 20);
    source.put(liobn, HIGH + 0xf_0000n, 0x5_0003n);
    source.put(WIN0, 0x1000n, 0x6003n);
    const saved = saveTables(source.hosted.machine);
    expect(saved.map(({ table }) => [table!.length, storedOf(table!)])).toEqual([
      [0x4_0000, [[1, 0x6003n]]],
      [16, [[15, 0x5_0003n]]],
    ]);
    const target = new HostedGuest({ accel: "kvm" });
    loadTables(target.hosted.machine, saved);
    for (const [window, ioba, tce] of [
      [liobn, HIGH + 0xf_0000n, 0x5_0003n],
      [WIN0, 0x1000n, 0x6003n],
    ] as const) {
      expect(target.get(window, ioba)).toBe(tce);
      expect(target.hosted.machine.servedBy).toBe("kvm");
    }
  });

  it("a window whose pages become others leaves the kernel, whose tables keep theirs", () => {
    const { hosted } = new HostedGuest({ accel: "kvm" });
    const [first] = saveTables(hosted.machine);
    const table = new TceTable({ length: 0x4_0000, pageShift: 16 });
    table.set(2, 0x7_0003n);
    loadTables(hosted.machine, [{ ...first!, table, geometry: { busOffset: 0n, pageShift: 16 } }]);
    const window = hosted.machine.phbs[0]!.windows[0]!;
    expect([window.fd, window.pageShift]).toEqual([-1, 16]);
    const { status, registers } = hosted.machine.call(0x1c, WIN0, 0x2_0000n);
    expect([status, registers.get(4), hosted.machine.servedBy]).toEqual([0, 0x7_0003n, "qemu"]);
  });
});
