import type { Permission } from "../base/permission.ts";
import { TWO32, toBig } from "../base/u64.ts";
import type { DmaFaultReason } from "./dma-fault.ts";
import type { GuestRam } from "./guest-ram.ts";
import type { IommuTranslation } from "./iommu-translation.ts";
import type { MmioHandler } from "./mmio-handler.ts";

/**
 * The layout of an address space, as an access needs it.
 *
 * @public
 */
export interface TargetView {
  /**
   * Finds what answers at an address, in signed halves: `into` gets the region
   * and the offset in it, and is clipped at the end of memory.
   *
   * @internal
   * @returns false where nothing answers
   */
  locate(hi: number, lo: number, into: DmaTarget): boolean;
}

/**
 * What translations lead to: an address space.
 *
 * @public
 */
export interface TargetSpace {
  readonly name: string;
  /** The layout as of the last finished transaction. */
  readonly view: TargetView;
}

/**
 * An IOMMU on the way of an access. Offsets are relative to its region.
 *
 * @public
 */
export interface DmaTranslator {
  /** The address space that translations lead to. */
  readonly target: TargetSpace;
  /**
   * Looks up one address, given in halves of either sign. It does not
   * filter by direction: the caller checks `perm`.
   *
   * @param into to be filled last: a callback that is made here may translate, too, into the same object
   */
  translate(hi: number, lo: number, into: IommuTranslation): void;
}

/** A region that an access comes to: memory, registers of a device, or an IOMMU that leads on. */
export interface TargetRegion {
  readonly name: string;
  readonly readonly: boolean;
  /** The memory behind it, if it is memory. */
  readonly ram: GuestRam | null;
  /** The IOMMU behind it, if it is one. */
  readonly iommu: { readonly hooks: DmaTranslator } | null;
  readonly backing:
    | { readonly kind: "mmio"; readonly handler: MmioHandler }
    | { readonly kind: "container" | "ram" | "alias" | "iommu" };
}

/**
 * Where an access ends up; one object is filled again and again.
 *
 * Halves are signed, as bitwise operators make them: V8 keeps those as small
 * integers, but not numbers of 2^31 and more.
 */
export class DmaTarget {
  /** The region that answers, or null if none does. */
  region: TargetRegion | null = null;
  /** Offset in the region, high half (of the address itself where no region answers). */
  offsetHi = 0;
  /** Offset in the region, low half. */
  offsetLo = 0;
  /** How many bytes of the access lie there. */
  length = 0;
  /** Why the access is refused; null if it is not. */
  reason: DmaFaultReason | null = null;

  /** Offset in the region; the address itself where no region answers. */
  get offset(): bigint {
    return toBig(this.offsetHi, this.offsetLo);
  }

  /**
   * Ends the access with a piece of which so many bytes lie behind the first
   * one; exact below 2^53, and never rounded to less than that.
   */
  clip(behindHi: number, behindLo: number): void {
    if (behindHi !== 0) this.#clipFar(behindHi, behindLo);
    else if (behindLo >>> 0 < this.length) this.length = (behindLo >>> 0) + 1;
  }

  #clipFar(behindHi: number, behindLo: number): void {
    this.length = Math.min(this.length, (behindHi >>> 0) * TWO32 + (behindLo >>> 0) + 1);
  }

  /** The access ends at an address where nothing answers; returns false. */
  lost(hi: number, lo: number, reason: "outside" | "no-memory"): false {
    this.region = null;
    this.offsetHi = hi;
    this.offsetLo = lo;
    this.reason = reason;
    return false;
  }

  /** The access ends at an entry of an IOMMU that does not permit it; returns false. */
  refused(perm: Permission, write: boolean): false {
    this.reason = perm === 0 ? "unmapped" : write ? "read-only" : "write-only";
    return false;
  }
}
