import { log2 } from "../../base/u64.ts";
/**
 * The shape of a PowerNV (IODA2) table: how large a window makes it, how it is
 * divided into levels, and what it costs.
 *
 * The kernel calculates with unsigned 32-bit numbers and does not refuse a
 * window smaller than one of its pages, so neither do we: `shift - pageShift`
 * wraps around, and shift amounts count modulo 128, of which 64 and more give
 * zero. Such requests end as a table of size 0 or of too many bits (EINVAL both);
 * half a page is a good window.
 *
 * @module
 */

import type { Errno } from "../../base/errno.ts";

/** The most levels that a bridge has. What the other rules leave of them is less. */
export const MAX_LEVELS = 5;

/** log2 of the largest contiguous allocation of the kernel: 16 MiB, with either page size. */
export const MAX_ALLOCATION_SHIFT = 24;

/** log2 of an entry's size. */
const ENTRY_SHIFT = 3;

/** The window that a table is asked for. */
export interface WindowShape {
  /** log2 of the I/O page size. */
  readonly pageShift: number;
  /** Bytes. */
  readonly size: bigint;
  readonly levels: number;
}

/** A table that can be made. */
export interface TableGeometry {
  /** Entries that MAP accepts: at least a host page of them. */
  readonly length: number;
  /** Entries that the hardware can distinguish: levels times bits per level. */
  readonly reachable: bigint;
}

/** 1 << shift on a 64-bit POWER. */
export const powerOfTwo = (shift: number): bigint => ((shift & 127) < 64 ? 1n << BigInt(shift & 127) : 0n);

/** log2 of the bytes of a level. */
function levelShift({ pageShift, size, levels }: WindowShape, hostPageShift: number): number {
  const entriesShift = (log2(size) - pageShift) >>> 0;
  const perLevel = Math.floor(((entriesShift + levels - 1) >>> 0) / levels);
  return Math.max((perLevel + ENTRY_SHIFT) >>> 0, hostPageShift);
}

/**
 * Bytes that a table is charged for: all its levels as if they were full, twice
 * because of the copy with user addresses. 0 if there is no such table.
 *
 * @param mostLevels the most that the bridge has
 */
export function tableBytes(shape: WindowShape, hostPageShift: number, mostLevels: number): bigint {
  const { pageShift, size, levels } = shape;
  if (levels < 1 || levels > mostLevels) return 0n;
  if (size === 0n || (size & (size - 1n)) !== 0n) return 0n;

  const level = powerOfTwo(levelShift(shape, hostPageShift));
  if (level === 0n) return 0n;
  const wanted = powerOfTwo((log2(size) - pageShift + ENTRY_SHIFT) >>> 0);
  let left = wanted > 4096n ? wanted : 4096n;
  let bytes = 0n;
  for (let at = 0; at < levels; at++) {
    bytes += ((left + level - 1n) / level) * level;
    const above = (left / level) << BigInt(ENTRY_SHIFT);
    left = above > level ? above : level;
  }
  return bytes * 2n;
}

/** The table of a window whose {@link tableBytes} are not 0, or why it cannot be had. */
export function tableGeometry(shape: WindowShape, hostPageShift: number): TableGeometry | Errno {
  const { pageShift, size, levels } = shape;
  const level = levelShift(shape, hostPageShift);
  // The bus address has 55 bits at most below the ones that distinguish the windows. The kernel
  // adds them up in 64 bits: a level that wrapped around below 0 is far too large here.
  const bits = (level - ENTRY_SHIFT) * levels;
  if (bits + pageShift >= 55) return "EINVAL";
  // Only the first level is allocated now.
  if (level > MAX_ALLOCATION_SHIFT) return "ENOMEM";
  const entriesShift = (log2(size) - pageShift + ENTRY_SHIFT) >>> 0;
  return {
    length: 2 ** (Math.max(entriesShift, hostPageShift) - ENTRY_SHIFT),
    reachable: 1n << BigInt(bits),
  };
}
