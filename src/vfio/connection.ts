import type { KvmGroupFile } from "../kvm/ports.ts";
import type { PciHostBridge } from "../spapr/phb.ts";
import { TCE_READ, TCE_WRITE } from "../tce/tce.ts";
import type { DmaContainer } from "./container.ts";
import type { Host } from "./host/host.ts";
import type { OpenFile } from "./host/open-file.ts";
import type { VfioContainer } from "./host/vfio-container.ts";
import type { VfioGroup } from "./host/vfio-group.ts";
import type { VfioListener } from "./listener.ts";
import type { PreregListener } from "./prereg-listener.ts";
import { Type1Container } from "./type1-container.ts";

/** A container that serves the address space of a bridge, and the groups in it. */
export class Connection {
  readonly phb: PciHostBridge;
  readonly container: DmaContainer;
  readonly listener: VfioListener;
  /** The host kernel's container; null for type1. */
  readonly kernel: OpenFile<VfioContainer> | null;
  readonly groups: Map<number, { file: OpenFile<VfioGroup>; kvm: KvmGroupFile | null }> = new Map();
  prereg: PreregListener | null = null;

  constructor(
    phb: PciHostBridge,
    container: DmaContainer,
    listener: VfioListener,
    kernel: OpenFile<VfioContainer> | null,
  ) {
    this.phb = phb;
    this.container = container;
    this.listener = listener;
    this.kernel = kernel;
  }

  /** Where an access of a group's device goes: an address in QEMU's process, or undefined where it is refused. */
  translate(host: Host, group: number, iova: bigint, write: boolean): bigint | undefined {
    if (this.container instanceof Type1Container) return this.container.translate(iova, write);
    const physical = host.groups[group]?.iommu.translate(iova, write ? TCE_WRITE : TCE_READ) ?? null;
    const vaddr = physical === null ? undefined : host.physical.vaddrOf(physical);
    return vaddr === undefined ? undefined : BigInt(vaddr);
  }
}
