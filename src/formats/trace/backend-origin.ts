/**
 * What other backends of QEMU's tracing than `log` put before an event:
 *
 *     4711@1795820252848947123 spapr_iommu_…                                                 its script for SystemTap
 *     qemu-system-ppc-4711  [001] .....   100.000001: tracing_mark_write: spapr_iommu_…      ftrace, by the kernel
 *     qemu-system-ppc-4711  [001]   100.000001: print:  tracing_mark_write: spapr_iommu_…    … and by trace-cmd
 *
 * @module
 */

import { isDigit } from "./origin-text.ts";

const TAP = /(?:^|\s)(\d{1,10})@(\d{1,12})(\d{9}) $/;
const FTRACE = /-(\d{1,10}) .*\s(\d{1,12})\.(\d{6,9}): (?:\w+:\s+)?tracing_mark_write ?: $/;
/** No origin is longer. */
const LONGEST = 160;

const LATIN1 = new TextDecoder("latin1");

const COLON = 0x3a;

/** Who made an event, and when; the thread is NaN where it is not told. */
export interface BackendOrigin {
  readonly thread: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Reads what stands at the end of `[start, end)`, where the event's name begins; undefined if it is something else. */
export function readBackendOrigin(bytes: Uint8Array, start: number, end: number): BackendOrigin | undefined {
  // Most lines have neither, and it is cheap to see.
  const isTap = isDigit(bytes[end - 2]!);
  if (!isTap && bytes[end - 2] !== COLON) return undefined;
  const text = LATIN1.decode(bytes.subarray(Math.max(start, end - LONGEST), end));
  const [, who, seconds, fraction] = (isTap ? TAP : FTRACE).exec(text) ?? [];
  if (fraction === undefined) return undefined;
  return { thread: Number(who), seconds: Number(seconds), nanoseconds: Number(fraction.padEnd(9, "0")) };
}
