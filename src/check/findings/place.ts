import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";

/**
 * The place of an event in its trace.
 *
 * @public
 */
export interface Place {
  /** Events before it. */
  readonly event: number;
  /** Line from 1, or byte offset of the record. */
  readonly line: number;
}

/** Where an event stands. */
export const placeOf = (event: QemuTraceEvent): Place => ({ event: event.number, line: event.position });

/** `event 12 (line 13)`. */
export const placeText = ({ event, line }: Place): string => `event ${event} (line ${line})`;
