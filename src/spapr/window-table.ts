import { TceTable } from "../tce/tce-table.ts";
import type { Accelerator, KernelTable } from "./accelerator.ts";
import type { WindowGeometry } from "./window-geometry.ts";

/** Descriptor of a table that is not the kernel's. */
export const NO_FD = -1;

/**
 * Makes the empty table of a window: one in the kernel where KVM has one to
 * give, else one of our own.
 *
 * @param needVfio every change must reach user space; the kernel sends changes there only if it can tie tables
 */
export function newTable(
  accelerator: Accelerator | null,
  liobn: number,
  geometry: WindowGeometry,
  needVfio: boolean,
): KernelTable {
  const { shift: pageShift, busOffset, entries } = geometry;
  if (accelerator !== null && (!needVfio || accelerator.tiesTables)) {
    const kernel = accelerator.createTable({ liobn, pageShift, busOffset, entries });
    if (kernel !== null) return kernel;
  }
  return { table: new TceTable({ length: entries, pageShift }), fd: NO_FD };
}
