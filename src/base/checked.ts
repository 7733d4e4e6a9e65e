/**
 * Numbers from callers of the public API: a value that is not exactly what it
 * should be is an error that names it, never rounded or cut.
 *
 * @module
 */

import { IommuError } from "./errors.ts";
import { U64_MAX } from "./u64.ts";

/**
 * A value of 64 bits.
 *
 * @param what names the value in messages
 * @throws IommuError BAD_ARGUMENT for what is no whole number, or a number above 2^53 that may have been rounded;
 * OUT_OF_RANGE for a value that is not 0 to 2^64 - 1
 */
export function checkedU64(value: number | bigint, what: string): bigint {
  const big = typeof value === "bigint" ? value : BigInt(checkedInteger(value, what));
  if (big < 0n || big > U64_MAX) throw outOfRange(what, value, "2^64 - 1");
  return big;
}

/** {@link checkedU64} where only a bigint will do: addresses of DMA. */
export function checkedAddress(value: bigint, what: string): bigint {
  if (typeof value !== "bigint") throw badArgument(what, value, "a bigint");
  return checkedU64(value, what);
}

/**
 * A whole number from `min` to `max`.
 *
 * @throws IommuError BAD_ARGUMENT for what is no whole number, OUT_OF_RANGE for one that is too small or too large
 */
export function checkedNumber(value: number, what: string, min: number, max: number): number {
  checkedInteger(value, what);
  if (value < min || value > max) {
    throw new IommuError("OUT_OF_RANGE", `${what} ${value}: must be ${min} to ${max}`, { value });
  }
  return value;
}

/**
 * A piece of something of `size` bytes: a whole offset, with `bytes` after it that are inside.
 *
 * @throws IommuError BAD_ARGUMENT or OUT_OF_RANGE
 */
export function checkPiece(offset: number, bytes: number, size: number, what: string): void {
  // Beyond 2^53 a sum would be rounded, but never to less than 2^53, where no piece ends.
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset >= 0 && bytes >= 0) {
    if (offset + bytes <= size) return;
  } else {
    checkedInteger(offset, `${what} offset`);
    checkedInteger(bytes, `${what} length`);
  }
  throw new IommuError("OUT_OF_RANGE", `${what} of ${bytes} bytes at ${offset}: there are ${size} bytes`, {
    offset,
    bytes,
    size,
  });
}

function checkedInteger(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw badArgument(what, value, "a whole number below 2^53, or a bigint");
  return value;
}

const badArgument = (what: string, value: unknown, wanted: string): IommuError =>
  new IommuError("BAD_ARGUMENT", `${what} ${shown(value)}: must be ${wanted}`, { value: shown(value) });

const outOfRange = (what: string, value: number | bigint, most: string): IommuError =>
  new IommuError("OUT_OF_RANGE", `${what} ${value}: must be 0 to ${most}`, { value });

/** Texts in quotes, so that "5" is not taken for 5. */
const shown = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value)
    : typeof value === "object" && value !== null
      ? "[object]"
      : String(value);
