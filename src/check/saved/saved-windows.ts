import type { ToldWindow } from "../../formats/machine/told-window.ts";
import type { SavedWindow } from "../../formats/migration/stream.ts";
import { DEFAULT_PAGE_SHIFT, isPciLiobn } from "../../spapr/papr.ts";
import { PHB_DEFAULTS } from "../../spapr/phb.ts";

/**
 * Windows of a saved machine that its bridges and devices always have: not those that a guest created, of which a trace
 * tells itself, and which come and go.
 */
export function windowsOfSaved(saved: readonly SavedWindow[]): ToldWindow[] {
  return saved.flatMap(({ liobn, entries, geometry }) => {
    const { busOffset, pageShift } = geometry ?? { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };
    const isDefault =
      (liobn & 0xff) === 0 && pageShift === DEFAULT_PAGE_SHIFT && busOffset < PHB_DEFAULTS.dma64WinAddr;
    if (entries === 0 || (isPciLiobn(liobn) && !isDefault)) return [];
    return [{ liobn, busOffset, bytes: BigInt(entries) << BigInt(pageShift), pageShift }];
  });
}
