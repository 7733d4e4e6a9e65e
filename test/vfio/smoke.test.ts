import { expect, it } from "vitest";
import { cells, mapDirect } from "../../src/lab/guest-calls.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import { Coherence } from "../../src/vfio/coherence.ts";
import { HostedMachine } from "../../src/vfio/hosted-machine.ts";

for (const accel of ["tcg", "kvm"] as const)
  for (const container of ["spapr-v2", "spapr-v1", "type1v2"] as const)
    it(`${accel} ${container}`, () => {
      const h = new HostedMachine({ accel, container, coherence: true });
      const c = new Coherence(h);
      const { machine } = h;
      machine.call(Hcall.PUT_TCE, 0x8000_0000, 0x10000, 0x20_0003);
      const r = h.plug(0);
      if (!r.ok) throw new Error(r.error);
      expect(c.check("plug")).toBe(undefined);
      expect(h.reach(r.device, 0x10010n, true)).toBe(0x20_0010n);
      machine.call(Hcall.PUT_TCE, 0x8000_0000, 0x10000, 0x30_0001);
      expect(c.check("put")).toBe(undefined);
      expect(h.reach(r.device, 0x10010n, false)).toBe(0x30_0010n);
      machine.call(Hcall.PUT_TCE, 0x8000_0000, 0x10000, 0);
      expect(h.reach(r.device, 0x10010n, false)).toBe(undefined);
      machine.rtas(0x2027, [0, ...cells(machine.phbs[0]!.buid), 16, 20], 4);
      if (container !== "spapr-v1") {
        mapDirect(machine, 0x8000_0001, 16, 1n << 59n, 0x10_0000n, 16);
        expect(h.reach(r.device, (1n << 59n) + 0x23456n, true)).toBe(0x123456n);
      }
      expect(c.check("direct")).toBe(undefined);
      machine.reset();
      expect(c.check("reset")).toBe(undefined);
      h.unplug(r.device);
      expect(h.host.groups[0]!.iommu.windows).toEqual([null, null]);
    });
