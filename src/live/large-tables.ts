import { IommuError } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import { MAX_SAVED_ENTRIES } from "../check/forecast/facts.ts";
import { DEFAULT_PAGE_SHIFT } from "../spapr/papr.ts";
import type { QmpClient } from "./qmp.ts";

/**
 * Refuses to have QEMU save a window that is larger than any it was seen to save. QEMU gives the
 * size of a window in its memory tree, but not that of its pages: the smallest
 * usual ones, of 4 KiB, are assumed.
 *
 * @throws IommuError UNSUPPORTED if a window may have more entries than QEMU was seen to save
 */
export async function refuseLargeTables(client: QmpClient): Promise<void> {
  const tree = (await client.execute("human-monitor-command", { "command-line": "info mtree" })) as string;
  for (const { liobn, bytes } of windowsOf(tree)) {
    if (bytes >> BigInt(DEFAULT_PAGE_SHIFT) <= BigInt(MAX_SAVED_ENTRIES)) continue;
    throw new IommuError(
      "UNSUPPORTED",
      `window 0x${liobn} of ${formatSize(bytes)} may have more than 2^28 entries, the most that QEMU 7.2 was seen to save: use --no-base, or --large-windows if its pages are large`,
      { liobn, bytes },
    );
  }
}

/** The windows in the text of `info mtree`: `0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-80000000`. */
export function windowsOf(tree: string): { readonly liobn: string; readonly bytes: bigint }[] {
  const lines = tree.matchAll(/([0-9a-f]{16})-([0-9a-f]{16}) \([^)]*\): tce-iommu-([0-9a-f]+)/g);
  return [...lines].map(([, first, last, liobn]) => ({
    liobn: liobn!,
    bytes: BigInt(`0x${last}`) - BigInt(`0x${first}`) + 1n,
  }));
}
