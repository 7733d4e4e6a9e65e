/**
 * What user space passes to the container's driver: the fields of the ioctls'
 * structures, with their sizes.
 *
 * A request that is `undefined` stands for a pointer that cannot be read. The
 * 32-bit fields are numbers, the 64-bit ones bigints. ENABLE and DISABLE have
 * no structure (VFIO-LOCK-1). What a process may lock is VFIO-LOCK-2.
 *
 * @module
 */

/** Fields that every structure begins with. */
interface Header {
  /** Size of the structure as the caller knows it; the full size if absent. */
  readonly argsz?: number;
  readonly flags?: number;
}

/** VFIO_IOMMU_SPAPR_(UN)REGISTER_MEMORY (VFIO-REGISTER-1 to VFIO-REGISTER-3). */
export interface MemoryRequest extends Header {
  readonly vaddr: bigint;
  readonly size: bigint;
}

/** VFIO_IOMMU_SPAPR_TCE_CREATE (VFIO-CREATE-1 to VFIO-CREATE-4). */
export interface CreateRequest extends Header {
  readonly pageShift: number;
  readonly size: bigint;
  readonly levels: number;
}

/** VFIO_IOMMU_SPAPR_TCE_REMOVE (VFIO-REMOVE-1). */
export interface RemoveRequest extends Header {
  readonly start: bigint;
}

/** VFIO_IOMMU_MAP_DMA (VFIO-MAP-1 to VFIO-MAP-7); `flags` are {@link MAP_READ} and {@link MAP_WRITE}. */
export interface MapRequest extends Header {
  readonly vaddr: bigint;
  readonly iova: bigint;
  readonly size: bigint;
  readonly flags: number;
}

/** VFIO_IOMMU_UNMAP_DMA (VFIO-UNMAP-1). */
export interface UnmapRequest extends Header {
  readonly iova: bigint;
  readonly size: bigint;
}

/** VFIO_EEH_PE_OP. */
export interface EehRequest extends Header {
  readonly op: number;
}

/** VFIO_IOMMU_SPAPR_TCE_GET_INFO (VFIO-GROUP-6): only the size is read. */
export type InfoRequest = Header;

/** What GET_INFO writes. */
export interface SpaprInfo {
  readonly flags: number;
  readonly dma32WindowStart: bigint;
  readonly dma32WindowSize: bigint;
  /** Absent if the caller's structure has no room for it. */
  readonly ddw?: {
    readonly pageSizes: bigint;
    readonly maxDynamicWindows: number;
    readonly levels: number;
  };
}

/** The device may read memory. */
export const MAP_READ = 1;
/** The device may write memory. */
export const MAP_WRITE = 2;

/** Bytes of each structure that the kernel insists on. */
export const SIZES = {
  memory: 24,
  create: 40,
  remove: 16,
  map: 32,
  unmap: 24,
  /** GET_INFO without its last part, which is optional. */
  info: 16,
  infoWithDdw: 32,
  /** EEH_PE_OP without what only an error injection needs. */
  eeh: 12,
  eehWithError: 40,
} as const;
