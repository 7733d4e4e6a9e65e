/**
 * What a mapping allows: 0 nothing, 1 reading, 2 writing, 3 both (QEMU's IOMMU access flags).
 *
 * @public
 */
export type Permission = 0 | 1 | 2 | 3;

/**
 * `--`, `r-`, `-w`, `rw`.
 *
 * @public
 */
export const permText = (perm: Permission): string =>
  `${(perm & 1) !== 0 ? "r" : "-"}${(perm & 2) !== 0 ? "w" : "-"}`;
