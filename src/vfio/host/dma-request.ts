import { hiOf, loOf, toBig } from "../../base/u64.ts";

/**
 * VFIO_IOMMU_MAP_DMA or UNMAP_DMA as the kernel works on it: 64-bit fields are
 * halves of either sign. One object is filled again and again.
 */
export class DmaRequest {
  iovaHi = 0;
  iovaLo = 0;
  sizeHi = 0;
  sizeLo = 0;
  /** MAP only: address in the process. */
  vaddrHi = 0;
  vaddrLo = 0;
  /** MAP only: what the device may do. */
  flags = 0;

  get iova(): bigint {
    return toBig(this.iovaHi, this.iovaLo);
  }

  get vaddr(): bigint {
    return toBig(this.vaddrHi, this.vaddrLo);
  }

  get size(): bigint {
    return toBig(this.sizeHi, this.sizeLo);
  }

  load(iova: bigint, size: bigint, vaddr: bigint, flags: number): this {
    this.iovaHi = hiOf(iova) | 0;
    this.iovaLo = loOf(iova) | 0;
    this.sizeHi = hiOf(size) | 0;
    this.sizeLo = loOf(size) | 0;
    this.vaddrHi = hiOf(vaddr) | 0;
    this.vaddrLo = loOf(vaddr) | 0;
    this.flags = flags;
    return this;
  }
}
