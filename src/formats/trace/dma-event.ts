/**
 * Events of Linux' `dma:*` trace system, as numbers. The order is that of
 * {@link DMA_EVENT_NAMES}.
 *
 * @module
 */

/** Names of the events by kind. Kernels up to 6.17 say page and resource where later ones say phys. */
export const DMA_EVENT_NAMES = [
  "dma_map_page",
  "dma_map_phys",
  "dma_map_resource",
  "dma_map_sg",
  "dma_map_sg_err",
  "dma_unmap_page",
  "dma_unmap_phys",
  "dma_unmap_resource",
  "dma_unmap_sg",
  "dma_alloc",
  "dma_alloc_pages",
  "dma_alloc_sgt",
  "dma_alloc_sgt_err",
  "dma_free",
  "dma_free_pages",
  "dma_free_sgt",
  "dma_sync_single_for_cpu",
  "dma_sync_single_for_device",
  "dma_sync_sg_for_cpu",
  "dma_sync_sg_for_device",
] as const;

export const DMA_MAP_PAGE = 0;
export const DMA_MAP_PHYS = 1;
export const DMA_MAP_RESOURCE = 2;
export const DMA_MAP_SG = 3;
export const DMA_MAP_SG_ERR = 4;
export const DMA_UNMAP_PAGE = 5;
export const DMA_UNMAP_PHYS = 6;
export const DMA_UNMAP_RESOURCE = 7;
export const DMA_UNMAP_SG = 8;
export const DMA_ALLOC = 9;
export const DMA_ALLOC_PAGES = 10;
export const DMA_ALLOC_SGT = 11;
export const DMA_ALLOC_SGT_ERR = 12;
export const DMA_FREE = 13;
export const DMA_FREE_PAGES = 14;
export const DMA_FREE_SGT = 15;
export const DMA_SYNC_SINGLE_FOR_CPU = 16;
export const DMA_SYNC_SINGLE_FOR_DEVICE = 17;
export const DMA_SYNC_SG_FOR_CPU = 18;
export const DMA_SYNC_SG_FOR_DEVICE = 19;
/** Not an event of the kernel: here events of one CPU are missing. */
export const DMA_LOST = 20;

/** Directions, as in the kernel. */
export const BIDIRECTIONAL = 0;
export const TO_DEVICE = 1;
export const FROM_DEVICE = 2;
export const NO_DIRECTION = 3;
export const DIRECTION_NAMES = ["BIDIRECTIONAL", "TO_DEVICE", "FROM_DEVICE", "NONE"] as const;

/** Names of the bits of `attrs`, as in the kernel. Bits without a name here are not used. */
export const ATTRIBUTE_BITS: Readonly<Record<string, number>> = {
  WEAK_ORDERING: 1 << 1,
  WRITE_COMBINE: 1 << 2,
  NO_KERNEL_MAPPING: 1 << 4,
  SKIP_CPU_SYNC: 1 << 5,
  FORCE_CONTIGUOUS: 1 << 6,
  ALLOC_SINGLE_PAGES: 1 << 7,
  NO_WARN: 1 << 8,
  PRIVILEGED: 1 << 9,
  MMIO: 1 << 10,
};

/** A list of 64-bit values in halves that grows and is used again. */
export class HalvesList {
  /** High, then low half of each value. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(256);
  length = 0;

  push(hi: number, lo: number): void {
    const at = this.length++ * 2;
    if (at === this.words.length) {
      const more = new Uint32Array(at * 2);
      more.set(this.words);
      this.words = more;
    }
    this.words[at] = hi;
    this.words[at + 1] = lo;
  }
}

/**
 * One event of the DMA API. A reader has a single one and fills it anew for
 * each event: take what you need before you return from the callback.
 *
 * What a line does not have is 0, an empty list, or what the field says.
 */
export class DmaEvent {
  /** {@link DMA_MAP_PAGE} to {@link DMA_LOST}. */
  kind: number;
  /** Events before this one in the same text, {@link DMA_LOST} not counted. */
  number: number;
  /** Line, from 1. */
  line: number;
  /** Whole seconds of the time, NaN when the text has none. Which clock is the recording's affair. */
  seconds: number;
  /** Nanoseconds within the second. */
  nanoseconds: number;
  /** CPU, -1 when the text has none. */
  cpu: number;
  /** Process (thread) that ran, -1 when the text has none. It need not be the one that wanted the DMA. */
  pid: number;
  /** Its name, a number of the reader's `tasks`; -1 when the text has none. */
  task: number;
  /** Device, a number of the reader's `devices`. Addresses belong to it. */
  device: number;
  /** {@link BIDIRECTIONAL} to {@link NO_DIRECTION}. */
  direction: number;
  /** DMA address; all ones when mapping failed. Lists have theirs in {@link ranges}. */
  dmaHi: number;
  dmaLo: number;
  /** Physical address of what was mapped. */
  physHi: number;
  physLo: number;
  /** Bytes, exact below 2^53. {@link DMA_LOST}: how many events, 0 when that is not known. */
  size: number;
  /** Was the pointer of an allocation NULL? */
  nullPointer: boolean;
  /** Bits of {@link ATTRIBUTE_BITS}; a map and its unmap may differ in them. */
  attributes: number;
  /** Negative error number of the `_err` events. */
  error: number;
  /** DMA addresses of a list: of its mapped ranges, which are mostly fewer than its entries. */
  readonly ranges: HalvesList;
  /** Sizes of {@link ranges}. */
  readonly rangeSizes: HalvesList;
  /** Physical addresses of the entries of a list. */
  readonly entries: HalvesList;
  /** How many entries and ranges the list has; the kernel writes out at most 128 of those of a map (LINUX-TRACE-1). */
  totalEntries: number;
  totalRanges: number;
  /** Did the kernel leave entries or ranges out? */
  truncated: boolean;

  constructor() {
    this.kind = DMA_MAP_PAGE;
    this.number = 0;
    this.line = 0;
    this.seconds = Number.NaN;
    this.nanoseconds = 0;
    this.cpu = -1;
    this.pid = -1;
    this.task = -1;
    this.device = -1;
    this.direction = NO_DIRECTION;
    this.dmaHi = 0;
    this.dmaLo = 0;
    this.physHi = 0;
    this.physLo = 0;
    this.size = 0;
    this.nullPointer = false;
    this.attributes = 0;
    this.error = 0;
    this.ranges = new HalvesList();
    this.rangeSizes = new HalvesList();
    this.entries = new HalvesList();
    this.totalEntries = 0;
    this.totalRanges = 0;
    this.truncated = false;
  }

  /** Did the call that this event reports fail? */
  get failed(): boolean {
    const { kind } = this;
    if (kind === DMA_MAP_SG_ERR || kind === DMA_ALLOC_SGT_ERR) return true;
    if (kind <= DMA_MAP_RESOURCE) return this.dmaHi === 0xffff_ffff && this.dmaLo === 0xffff_ffff;
    const allocates = kind === DMA_ALLOC || kind === DMA_ALLOC_PAGES;
    return allocates && this.nullPointer && (this.dmaHi | this.dmaLo) === 0;
  }

  /** Forgets the arguments of the event before. */
  clear(): void {
    this.direction = NO_DIRECTION;
    this.dmaHi = 0;
    this.dmaLo = 0;
    this.physHi = 0;
    this.physLo = 0;
    this.size = 0;
    this.nullPointer = false;
    this.attributes = 0;
    this.error = 0;
    this.ranges.length = 0;
    this.rangeSizes.length = 0;
    this.entries.length = 0;
    this.totalEntries = 0;
    this.totalRanges = 0;
    this.truncated = false;
  }
}
