import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import { formatSize } from "../base/units.ts";
import { MAX_SAVED_ENTRIES } from "../check/forecast/facts.ts";
import type { ToldWindow } from "../formats/machine/told-window.ts";
import { DEFAULT_PAGE_SHIFT } from "../spapr/papr.ts";

/**
 * Refuses to have QEMU save a window that is larger than any it was seen to save. QEMU gives the
 * size of a window in its memory tree, but not that of its pages: the smallest
 * usual ones, of 4 KiB, are assumed.
 *
 * @throws IommuError UNSUPPORTED if a window may have more entries than QEMU was seen to save
 */
export function refuseLargeTables(windows: readonly ToldWindow[]): void {
  for (const { liobn, bytes } of windows) {
    if (bytes >> BigInt(DEFAULT_PAGE_SHIFT) <= BigInt(MAX_SAVED_ENTRIES)) continue;
    throw new IommuError(
      "UNSUPPORTED",
      `window ${hex(liobn)} of ${formatSize(bytes)} may have more than 2^28 entries, the most that QEMU 7.2 was seen to save: use --base mtree, or --large-windows if its pages are large`,
      { liobn, bytes },
    );
  }
}
