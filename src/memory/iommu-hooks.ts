import type { Permission } from "../base/permission.ts";
import type { AddressSpace } from "./address-space.ts";
import type { IommuNotifier } from "./iommu-notifier.ts";

/**
 * The answer to a translation; one object is filled again and again.
 *
 * The halves are signed, as bitwise operators make them: a number above 2^31
 * would not be a small integer for V8.
 *
 * @public
 */
export class IommuTranslation {
  /** Address of the target page, high half. */
  targetHi = 0;
  /** Address of the target page, low half. */
  targetLo = 0;
  /** Page size minus 1, high half. */
  maskHi = 0;
  /** Page size minus 1, low half. */
  maskLo = 0;
  perm: Permission = 0;

  /** The answer for an address outside of the IOMMU: no permission, for any address. */
  outside(): void {
    this.targetHi = this.targetLo = 0;
    this.maskHi = this.maskLo = -1;
    this.perm = 0;
  }
}

/**
 * What a kind of IOMMU does; QEMU's IOMMUMemoryRegionClass. Offsets are relative to the region.
 *
 * @public
 */
export interface IommuHooks {
  /** The address space that translations lead to. */
  readonly target: AddressSpace;
  /**
   * Looks up one address, given in halves of either sign. The hook does not
   * filter by direction: the caller checks `perm`.
   *
   * @param into to be filled last: a callback that the hook makes may translate, too, into the same object
   */
  translate(hi: number, lo: number, into: IommuTranslation): void;
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
