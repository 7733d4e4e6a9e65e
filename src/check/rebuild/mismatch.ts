import { toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { formatQemuTraceEvent } from "../../formats/trace/trace-text.ts";

/**
 * A recorded answer that the engine does not give.
 *
 * @public
 */
export interface Mismatch {
  readonly event: number;
  readonly line: number;
  readonly liobn: number;
  /** Bus address of a call, or offset in its window of a translation. */
  readonly address: bigint;
  readonly text: string;
  readonly expected: string;
  readonly actual: string;
  /** Where the window would start for the answer to be right; undefined if no start makes it right. */
  readonly start?: bigint;
}

/**
 * What does not fit of an event, which may be used again.
 *
 * @param expected what is recorded
 * @param actual what we have
 */
export function mismatchOf(
  event: QemuTraceEvent,
  expected: string,
  actual: string,
  start?: bigint,
): Mismatch {
  return {
    event: event.number,
    line: event.position,
    liobn: event.liobn,
    address: toBig(event.iobaHi, event.iobaLo),
    text: formatQemuTraceEvent(event),
    expected,
    actual,
    ...(start === undefined ? {} : { start }),
  };
}

/** The text of a mismatch for people. */
export const formatMismatch = (mismatch: Pick<Mismatch, "line" | "text" | "expected" | "actual">): string =>
  `line ${mismatch.line}: ${mismatch.text}\n    recorded: ${mismatch.expected}, ours: ${mismatch.actual}`;
