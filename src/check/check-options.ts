/**
 * From where on something is worth a finding.
 *
 * @public
 */
export interface CheckOptions {
  /** Bytes of the guest's RAM, from address 0; undefined if not known. Then nothing is said to lie beyond it. */
  readonly ram?: bigint | undefined;
  /** Part of a window's entries that must be mapped for it to be nearly full, 0 to 1. */
  readonly fullAt: number;
  /** Pages that must not be free in one piece for a nearly full window to be fragmented. */
  readonly freePages: number;
  /** A mapping leaked if so many of its kind were made before, and so many made later are gone. */
  readonly overtaken: number;
  /** More mappings than these that were made together and overtaken are a pool, and no leak. */
  readonly pool: number;
  /** A mapping, of Linux a streaming one, leaked if so many like it came and went both before it and after it, */
  readonly outlived: number;
  /** and it got so many times as old as any of these. */
  readonly older: number;
  /** Mappings that are never unmapped are told if they are so many, and go on being made. */
  readonly neverUnmapped: number;
  /** A driver of Linux went if its last calls gave back so large a part of what was mapped then, 0 to 1. */
  readonly goneAt: number;
  /** Bytes of a line of caches that are not coherent; 0 if they are. */
  readonly cacheLine: number;
  /** Bits of addresses that devices of a Linux machine can use; 0 if not known. */
  readonly dmaMask: number;
  /** Unmaps one after another that find so many pages unmapped clear a table, and are no mistake. */
  readonly sweep: number;
}

/**
 * The thresholds that hold where none are given; the size of memory is not known.
 *
 * @public
 */
export const DEFAULT_CHECK_OPTIONS: CheckOptions = {
  fullAt: 0.95,
  freePages: 16,
  overtaken: 1000,
  pool: 16,
  outlived: 16,
  older: 4,
  neverUnmapped: 64,
  goneAt: 0.5,
  cacheLine: 0,
  dmaMask: 0,
  sweep: 64,
};

/** Past unmaps that are remembered of all windows together; older ones cannot be named as the cause of a fault. */
export const MAX_PAST_UNMAPS: number = 2 ** 20;
