import type { Permission } from "../base/permission.ts";

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
