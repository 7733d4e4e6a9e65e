import { type Answer, isErrno } from "../../base/errno.ts";
import type { HostKernel } from "./host-kernel.ts";
import { OpenFile } from "./open-file.ts";
import { SpaprIommu } from "./spapr-iommu.ts";
import type { GroupContainer, VfioGroup } from "./vfio-group.ts";

/** Types and extensions (VFIO_CHECK_EXTENSION, VFIO_SET_IOMMU). */
export const VFIO_SPAPR_TCE_IOMMU = 2;
export const VFIO_EEH = 5;
export const VFIO_SPAPR_TCE_V2_IOMMU = 7;

/**
 * `/dev/vfio/vfio`: groups that share an IOMMU context. What the context is,
 * {@link iommu}, comes with SET_IOMMU and goes with the last group (VFIO-GROUP-1).
 */
export class VfioContainer implements GroupContainer {
  readonly host: HostKernel;
  /** The driver; null before SET_IOMMU and after the last group has left. */
  iommu: SpaprIommu | null = null;
  /** The group that came last is the first. */
  readonly #groups: VfioGroup[] = [];

  constructor(host: HostKernel) {
    this.host = host;
  }

  /** Opens a new container. Its groups keep it when the file is closed. */
  static open(host: HostKernel): OpenFile<VfioContainer> {
    return new OpenFile(new VfioContainer(host), () => {});
  }

  /** CHECK_EXTENSION: 1 for both versions of the sPAPR driver and for EEH. */
  checkExtension(extension: bigint): number {
    return [VFIO_SPAPR_TCE_IOMMU, VFIO_EEH, VFIO_SPAPR_TCE_V2_IOMMU].includes(Number(extension)) ? 1 : 0;
  }

  /** SET_IOMMU: needs a group, and no driver yet. The version decides what it answers from then on (VFIO-GROUP-5). */
  setIommu(type: bigint): Answer {
    if (this.#groups.length === 0 || this.iommu !== null) return "EINVAL";
    if (this.checkExtension(type) === 0) return "ENODEV";
    // EEH is an extension that both versions have, but it is no type.
    if (Number(type) === VFIO_EEH) return "EINVAL";

    const iommu = new SpaprIommu(this.host, Number(type) === VFIO_SPAPR_TCE_V2_IOMMU ? 2 : 1);
    for (const group of this.#groups) {
      const answer = iommu.attach(group.iommu);
      if (isErrno(answer)) {
        iommu.release();
        return answer;
      }
    }
    this.iommu = iommu;
    return 0;
  }

  /** Takes a group in (VFIO-GROUP-2); called by {@link VfioGroup.setContainer}. */
  attach(group: VfioGroup): Answer {
    const answer = this.iommu?.attach(group.iommu) ?? 0;
    if (isErrno(answer)) return answer;
    group.container = this;
    this.#groups.unshift(group);
    return 0;
  }

  /** Lets a group go. The driver goes with the last one. */
  detach(group: VfioGroup): void {
    group.container = null;
    this.#groups.splice(this.#groups.indexOf(group), 1);
    this.iommu?.detach(group.iommu);
    if (this.#groups.length > 0) return;
    this.iommu?.release();
    this.iommu = null;
  }
}
