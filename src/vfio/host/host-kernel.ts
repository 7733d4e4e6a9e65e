import type { FaultInjector, Hazard } from "./faults.ts";
import type { TableHost } from "./hardware-table.ts";
import type { KernelProfile } from "./profile.ts";

/** What the VFIO driver of a host's kernel needs of the host. */
export interface HostKernel extends TableHost {
  readonly profile: KernelProfile;
  /** log2 of the page size. */
  readonly pageShift: number;
  /** The most entries that a table may have; beyond, its allocation fails with ENOMEM. */
  readonly maxEntries: number;
  /** Where operations may be made to fail. */
  readonly faults: FaultInjector;
  /** Notified of requests that would do damage in a real kernel. */
  readonly onHazard: (hazard: Hazard) => void;
}
