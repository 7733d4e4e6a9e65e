/**
 * The trace events that a DMA window itself makes. Both are for the observer
 * that is there when they are called.
 *
 * @module
 */

import { toBig } from "../base/u64.ts";
import type { SpaprObserver } from "./observer.ts";

/** What a trace event says of a window. */
export interface TracedWindow {
  readonly env: { readonly observer: SpaprObserver };
  readonly liobn: number;
  readonly enabled: boolean;
  /** Descriptor of the in-kernel table; -1 without one. */
  readonly fd: number;
}

/** What a translation found, in halves of either sign. */
interface TracedAnswer {
  readonly targetHi: number;
  readonly targetLo: number;
  readonly maskLo: number;
  readonly perm: number;
}

/** A translation of an address in halves. */
export function traceTranslation(window: TracedWindow, hi: number, lo: number, answer: TracedAnswer): void {
  const { targetHi, targetLo, maskLo, perm } = answer;
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
export function traceNewTable({ env, liobn, enabled, fd }: TracedWindow): void {
  const table = enabled ? BigInt(liobn) << 12n : 0n;
  env.observer.trace?.({ name: "spapr_iommu_new_table", liobn: BigInt(liobn), table, fd });
}
