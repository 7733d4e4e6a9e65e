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
// V8 folds a constant of the module itself, but loads an exported one each time.
const PERM_MASK = TCE_READ | TCE_WRITE;
/** Both permission bits; an entry with neither is not valid. */
export const TCE_PERM_MASK: number = PERM_MASK;

/**
 * The permission of a TCE, from its low half.
 *
 * @public
 */
export const permOf = (lo: number): Permission => (lo & PERM_MASK) as Permission;
