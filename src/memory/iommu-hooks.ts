import type { DmaTranslator } from "./dma-target.ts";
import type { IommuNotifier } from "./iommu-notifier.ts";

/**
 * What a kind of IOMMU does, besides to translate accesses; QEMU's IOMMUMemoryRegionClass.
 *
 * @public
 */
export interface IommuHooks extends DmaTranslator {
  /** Tells one notifier what is mapped, instead of the generic page walk. */
  replay?(notifier: IommuNotifier): ReplayReport;
  /** Smallest page in bytes; default 4096. */
  minPageSize?(): bigint;
  /**
   * Hears that the OR of all notifiers' flags changed.
   *
   * @returns why the new flags cannot be had, or undefined; of no consequence where a notifier was taken away
   */
  notifyFlagChanged?(before: number, after: number): string | undefined;
  /** An attribute by number; undefined if there is none (QEMU answers -EINVAL). */
  getAttr?(attribute: number): number | undefined;
}

/**
 * What a replay did.
 *
 * @public
 */
export interface ReplayReport {
  /** How it found the mappings: page by page, from the table's counts, or not at all. */
  readonly strategy: "page-walk" | "counted-walk" | "skipped";
  /** Entries (page walk) or runs (counted walk) that were looked at. */
  readonly steps: number;
  /** Calls of the notifier. */
  readonly notifications: number;
  /**
   * False if the walk ended early: at its limit, or because a callback took
   * the notifier away, or what is walked.
   */
  readonly complete: boolean;
}
