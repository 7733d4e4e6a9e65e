import type { Answer } from "../../base/errno.ts";
import type { IommuGroup } from "./iommu-group.ts";
import { OpenFile } from "./open-file.ts";

/** GROUP_GET_STATUS: no other driver has a device of the group. */
const STATUS_VIABLE = 1;
/** GROUP_GET_STATUS: the group is in a container. */
const STATUS_CONTAINER_SET = 2;
/** Bytes of struct vfio_group_status. */
const STATUS_SIZE = 8;

/** What a group needs of the container that it is in. */
export interface GroupContainer {
  /** The driver; null before SET_IOMMU and after the last group has left. */
  readonly iommu: object | null;
  /** Takes a group in. */
  attach(group: VfioGroup): Answer;
  /** Lets a group go. */
  detach(group: VfioGroup): void;
}

/** A device of a group, opened through it. */
export class VfioDevice {
  readonly group: VfioGroup;

  constructor(group: VfioGroup) {
    this.group = group;
  }
}

/** `/dev/vfio/N`: a group, opened once at a time, in one container or in none. */
export class VfioGroup {
  readonly iommu: IommuGroup;
  container: GroupContainer | null = null;
  #file: OpenFile<VfioGroup> | null = null;
  #openDevices = 0;

  constructor(iommu: IommuGroup) {
    this.iommu = iommu;
  }

  /** Opens the group. It closes when no device and nobody else uses the file any more. */
  open(): Answer<OpenFile<VfioGroup>> {
    if (this.#file !== null) return "EBUSY";
    this.#file = new OpenFile<VfioGroup>(this, () => {
      this.#file = null;
      this.container?.detach(this);
    });
    return this.#file;
  }

  /** GROUP_GET_STATUS: flags. */
  status(argsz: number = STATUS_SIZE): Answer<number> {
    if (argsz < STATUS_SIZE) return "EINVAL";
    return this.container === null ? STATUS_VIABLE : STATUS_VIABLE | STATUS_CONTAINER_SET;
  }

  /** GROUP_SET_CONTAINER. */
  setContainer(container: GroupContainer): Answer {
    return this.container === null ? container.attach(this) : "EINVAL";
  }

  /** GROUP_UNSET_CONTAINER. */
  unsetContainer(): Answer {
    if (this.container === null) return "EINVAL";
    if (this.#openDevices > 0) return "EBUSY";
    this.container.detach(this);
    return 0;
  }

  /** GROUP_GET_DEVICE_FD: needs a container with an IOMMU. The device keeps the group open. */
  openDevice(): Answer<OpenFile<VfioDevice>> {
    const group = this.#file;
    if (group === null || this.container?.iommu == null) return "EINVAL";
    this.#openDevices++;
    group.retain();
    return new OpenFile(new VfioDevice(this), () => {
      this.#openDevices--;
      group.release();
    });
  }
}
