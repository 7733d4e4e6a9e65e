/**
 * The TCE, a 64-bit translation control entry: page address plus two permission bits.
 *
 * @module
 */

/** The device may read memory (bit 0). */
export const TCE_READ = 1;
/** The device may write memory (bit 1). */
export const TCE_WRITE = 2;
/** Both permission bits; an entry with neither is not valid. */
export const TCE_PERM_MASK: number = TCE_READ | TCE_WRITE;

/** What an entry allows: 0 nothing, 1 reading, 2 writing, 3 both (as in QEMU's IOMMU access flags). */
export type Permission = 0 | 1 | 2 | 3;

/** The permission of a TCE, from its low half. */
export const permOf = (lo: number): Permission => (lo & TCE_PERM_MASK) as Permission;

/** `--`, `r-`, `-w`, `rw`. */
export const permText = (perm: number): string =>
  `${(perm & TCE_READ) !== 0 ? "r" : "-"}${(perm & TCE_WRITE) !== 0 ? "w" : "-"}`;
