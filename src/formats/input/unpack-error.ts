import { IommuError } from "../../base/errors.ts";

/**
 * Packed data cannot be unpacked any further: it ends early, is damaged, or something else follows it. What was unpacked
 * before counts.
 *
 * @param name of the input
 * @param unpacked bytes that were unpacked before
 */
export const unpackError = (name: string, reason: string, unpacked: number, cause?: unknown): IommuError =>
  new IommuError(
    "BAD_FILE",
    `${name}: ${reason}`,
    { path: name, offset: unpacked, early: reason },
    { cause },
  );
