/**
 * The TCE, a 64-bit translation control entry: page address plus two permission bits.
 *
 * @module
 */

import type { Permission } from "../base/permission.ts";

/**
 * The device may read memory (bit 0).
 *
 * @public
 */
export const TCE_READ = 1;
/**
 * The device may write memory (bit 1).
 *
 * @public
 */
export const TCE_WRITE = 2;
/** Both permission bits; an entry with neither is not valid. */
export const TCE_PERM_MASK: number = TCE_READ | TCE_WRITE;

/**
 * The permission of a TCE, from its low half.
 *
 * @public
 */
export const permOf = (lo: number): Permission => (lo & TCE_PERM_MASK) as Permission;
