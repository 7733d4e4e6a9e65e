/**
 * Address ranges of the 64-bit space. `last` is inclusive everywhere here, so
 * that a range may touch the top of the space.
 *
 * @module
 */

import { IommuError } from "./errors.ts";
import { hex64, U64_MAX } from "./u64.ts";

/**
 * Addresses `first` to `last`, both included; never empty.
 *
 * @public
 */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * A range from its start and size in bytes.
 *
 * @throws IommuError OUT_OF_RANGE if the size is not positive or the range passes 2^64
 */
export function rangeOf(first: bigint, size: bigint): AddressRange {
  if (first < 0n || size <= 0n || first + size - 1n > U64_MAX) {
    throw new IommuError(
      "OUT_OF_RANGE",
      `range at ${hex64(first)} of ${size} bytes is empty or passes 2^64`,
      {
        first,
        size,
      },
    );
  }
  return { first, last: first + size - 1n };
}

/** Do two ranges share an address? */
export const overlaps = (a: AddressRange, b: AddressRange): boolean => a.first <= b.last && b.first <= a.last;

/** Does `outer` contain all of `inner`? */
export const contains = (outer: AddressRange, inner: AddressRange): boolean =>
  outer.first <= inner.first && inner.last <= outer.last;
