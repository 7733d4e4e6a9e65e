import { describe, expect, it } from "vitest";
import { Host } from "../../../src/vfio/host/host.ts";
import { LINUX_6_1, LINUX_6_12 } from "../../../src/vfio/host/profile.ts";
import { VfioContainer } from "../../../src/vfio/host/vfio-container.ts";
import { BASE, PAGE, seenBy, setup } from "./setup.ts";

describe("Linux 6.1 and 6.12", () => {
  it.each([
    { profile: LINUX_6_12, answer: 0 },
    { profile: LINUX_6_1, answer: "EPERM" },
  ])("$profile.name: a version 1 container takes a PowerNV group: $answer", ({ profile, answer }) => {
    const host = new Host({ profile });
    const container = VfioContainer.open(host).object;
    host.groups[0]!.open();
    host.groups[0]!.setContainer(container);
    expect(container.setIommu(2n)).toBe(answer);
    expect(container.iommu !== null).toBe(answer === 0);
  });

  it.each([
    { profile: LINUX_6_12, seen: null },
    { profile: LINUX_6_1, seen: BASE },
  ])("$profile.name: mappings when another group leaves: $seen", ({ profile, seen }) => {
    const s = setup({ profile });
    const memory = { vaddr: BigInt(BASE), size: BigInt(PAGE) };
    s.iommu.registerMemory(s.process, memory);
    s.iommu.map(s.process, { ...memory, iova: 0n, flags: 3 });
    const other = s.host.groups[1]!;
    other.open();
    expect(other.setContainer(s.container)).toBe(0);
    expect(seenBy({ ...s, group: other }, 0n)).toBe(BASE);
    expect(other.unsetContainer()).toBe(0);
    expect(seenBy(s, 0n)).toBe(seen);
    expect(seenBy({ ...s, group: other }, 0n)).toBeNull();
    // In both, the end of the container leaves nothing behind.
    expect(s.group.unsetContainer()).toBe(0);
    expect(s.process.memory.lockedPages).toBe(0);
  });
});
