import type { MemoryRange } from "./direct-map.ts";
import type { LinuxKernel } from "./linux-kernel.ts";

/**
 * The memory that a guest sees.
 *
 * @public
 */
export interface MemoryLayout {
  /** Memory that is online, in order of its addresses. */
  readonly ram: readonly MemoryRange[];
  /**
   * The end of all memory that the machine can have, as `ibm,lrdr-capacity` says it; 0 is what QEMU 7.2 writes for a
   * machine without slots for memory.
   */
  readonly highest: number;
  /** Other nodes of memory in the tree, such as a GPU's. */
  readonly otherNodes?: readonly MemoryRange[];
  /** Is there a node of persistent memory? */
  readonly persistent?: boolean;
}

const endOf = (ranges: readonly MemoryRange[]): number =>
  ranges.reduce((end, { start, size }) => Math.max(end, start + size), 0);

/** The end of memory that is online. */
export const endOfRam = (memory: MemoryLayout): number => endOf(memory.ram);

/** log2 of the bytes that a window must have to map all memory that there can be directly (LINUX-DDW-2). */
export function directShift(memory: MemoryLayout, kernel: LinuxKernel): number {
  const { highest, otherNodes = [] } = memory;
  return ceilLog2(kernel.sizeCoversMemory ? Math.max(highest, endOfRam(memory), endOf(otherNodes)) : highest);
}

/** The least n with 2^n at least a value; 0 for 0. */
export function ceilLog2(value: number | bigint): number {
  const big = BigInt(value);
  return big <= 1n ? 0 : (big - 1n).toString(2).length;
}
