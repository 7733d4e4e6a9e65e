import { EduDevice } from "./edu-device.ts";
import { type FaultHook, FaultInjector, type Hazard } from "./faults.ts";
import type { HostKernel } from "./host-kernel.ts";
import { HostMemory } from "./host-memory.ts";
import { HostProcess } from "./host-process.ts";
import { type BridgeInfo, IommuGroup, POWERNV_BRIDGE } from "./iommu-group.ts";
import { PhysicalMemory } from "./physical-memory.ts";
import { type KernelProfile, LINUX_6_12 } from "./profile.ts";
import { VfioGroup } from "./vfio-group.ts";

/** The machine of the recordings has 4 GiB. */
const DEFAULT_MEMORY = 2 ** 32;

/** How a host is made. */
export interface HostOptions {
  readonly profile?: KernelProfile;
  /** log2 of the page size: 16 (default) or 12. */
  readonly pageShift?: number;
  /** Number of groups, one device each; 2 if absent. */
  readonly groups?: number;
  readonly bridge?: BridgeInfo;
  /** Bytes of memory. */
  readonly memoryBytes?: number;
  /** The most entries that a table may have; beyond, its allocation fails with ENOMEM. */
  readonly maxEntries?: number;
  /** Makes operations fail. */
  readonly faults?: FaultHook;
  /** Notified of requests that would do damage in a real kernel. */
  readonly onHazard?: (hazard: Hazard) => void;
}

/** A PowerNV host with a Linux kernel: its memory, its IOMMU groups and the devices in them. */
export class Host implements HostKernel {
  readonly profile: KernelProfile;
  readonly pageShift: number;
  readonly memoryBytes: number;
  readonly maxEntries: number;
  readonly physical: PhysicalMemory = new PhysicalMemory();
  readonly groups: readonly VfioGroup[];
  /** The device of each group. */
  readonly devices: readonly EduDevice[];
  readonly faults: FaultInjector;
  readonly onHazard: (hazard: Hazard) => void;

  constructor(options: HostOptions = {}) {
    this.profile = options.profile ?? LINUX_6_12;
    this.pageShift = options.pageShift ?? 16;
    this.memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY;
    this.maxEntries = options.maxEntries ?? Infinity;
    this.faults = new FaultInjector(options.faults);
    this.onHazard = options.onHazard ?? (() => {});
    const bridge = options.bridge ?? POWERNV_BRIDGE;
    this.groups = Array.from(
      { length: options.groups ?? 2 },
      (_, number) => new VfioGroup(new IommuGroup(number, bridge)),
    );
    this.devices = this.groups.map((group) => new EduDevice(group.iommu, this.physical));
  }

  /** Starts a process with an empty address space. */
  startProcess(): HostProcess {
    return new HostProcess(
      new HostMemory({ pageShift: this.pageShift, memoryBytes: this.memoryBytes }, this.physical),
    );
  }
}
