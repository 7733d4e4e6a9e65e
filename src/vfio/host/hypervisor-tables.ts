/**
 * Tables of a host that is a pseries guest itself (under PowerVM): they are its
 * hypervisor's, have one level and no shape, and are asked for with calls.
 *
 * @module
 */

import type { Errno } from "../../base/errno.ts";
import type { TableGeometry, TableKind, WindowShape } from "./tce-geometry.ts";

/** What the driver is told instead of a size where there is no such table: no number at all, and so it charges it. */
const NO_SIZE = 0xffff_ffffn;
/** log2 of an entry's size. */
const ENTRY_SHIFT = 3;

/** One level, as large as the window. */
export const HYPERVISOR_TABLES: TableKind = {
  bytes: ({ pageShift, size, levels }: WindowShape): bigint =>
    levels > 1 ? NO_SIZE : size >> BigInt(pageShift - ENTRY_SHIFT),

  geometry: ({ pageShift, size, levels }: WindowShape): TableGeometry | Errno => {
    if (levels > 1 || (size & (size - 1n)) !== 0n) return "EINVAL";
    const length = size >> BigInt(pageShift);
    return length === 0n ? "EINVAL" : { length: Number(length), reachable: length };
  },
};
