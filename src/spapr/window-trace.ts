/**
 * The trace events that a DMA window itself makes. Both are for the observer
 * that is there when they are called.
 *
 * @module
 */

import { toBig } from "../base/u64.ts";
import type { DmaWindow } from "./dma-window.ts";

/** A translation: the answer in halves of either sign. */
export function traceTranslation(
  window: DmaWindow,
  hi: number,
  lo: number,
  targetHi: number,
  targetLo: number,
  maskLo: number,
  perm: number,
): void {
  window.env.observer.trace?.({
    name: "spapr_iommu_xlate",
    liobn: BigInt(window.liobn),
    ioba: toBig(hi, lo),
    tce: toBig(targetHi, targetLo),
    perm,
    mask: maskLo >>> 0,
  });
}

/** Instead of an address, which would differ from run to run, a number made from the LIOBN. */
export function traceNewTable({ env, liobn, enabled, fd }: DmaWindow): void {
  const table = enabled ? BigInt(liobn) << 12n : 0n;
  env.observer.trace?.({ name: "spapr_iommu_new_table", liobn: BigInt(liobn), table, fd });
}
