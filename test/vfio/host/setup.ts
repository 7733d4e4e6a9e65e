import { isErrno } from "../../../src/base/errno.ts";
import { TCE_READ } from "../../../src/tce/tce.ts";
import { Host, type HostOptions } from "../../../src/vfio/host/host.ts";
import type { HostProcess } from "../../../src/vfio/host/host-process.ts";
import type { SpaprIommu } from "../../../src/vfio/host/spapr-iommu.ts";
import { VfioContainer } from "../../../src/vfio/host/vfio-container.ts";
import type { VfioGroup } from "../../../src/vfio/host/vfio-group.ts";

/** Where the process's memory lies; every 8 bytes of it hold their own address. */
export const BASE = 0x10_0000_0000;
export const SIZE = 0x10_0000;
export const PAGE = 0x1_0000;

export interface Setup {
  readonly host: Host;
  readonly process: HostProcess;
  readonly container: VfioContainer;
  readonly group: VfioGroup;
  readonly iommu: SpaprIommu;
}

/** A container with group 0 and a process that has 1 MiB of memory. */
export function setup(options: HostOptions = {}, version: 1 | 2 = 2): Setup {
  const host = new Host(options);
  const process = host.startProcess();
  process.memory.place(BASE, SIZE);
  process.memory.fillWithAddresses(BASE, SIZE);
  const container = VfioContainer.open(host).object;
  const group = host.groups[0]!;
  if (isErrno(group.open()) || group.setContainer(container) !== 0) throw new Error("no group");
  const answer = container.setIommu(version === 2 ? 7n : 2n);
  if (answer !== 0 || container.iommu === null) throw new Error(String(answer));
  return { host, process, container, group, iommu: container.iommu };
}

/** The user address that a device reads at a bus address, or null if it may not. */
export function seenBy({ host, group }: Setup, iova: bigint): number | null {
  const physical = group.iommu.translate(iova, TCE_READ);
  if (physical === null) return null;
  const bytes = new Uint8Array(8);
  host.physical.read(physical, bytes);
  return Number(new DataView(bytes.buffer).getBigUint64(0, true));
}

/** Are the regions' counters what the tables say? Counts entry by entry. */
export function countersAreTrue({ process, iommu }: Setup, entriesOf: number): boolean {
  const counts = new Map(process.memory.registered.regions.map((region) => [region, 0]));
  for (const table of iommu.tables) {
    for (let index = 0; index < Math.min(entriesOf, table.length); index++) {
      const target = table.translate(BigInt(index) << BigInt(table.pageShift));
      if (target === null || target.permission === 0) continue;
      for (const region of counts.keys()) {
        const inside = region.extents.some(
          (e) => e.physical <= target.physical && target.physical < e.physical + e.end - e.start,
        );
        if (inside) counts.set(region, counts.get(region)! + 1);
      }
    }
  }
  return [...counts].every(([region, count]) => region.mapped === count);
}
