import { IommuError } from "../../base/errors.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";

/**
 * When: after the event of that number, at a time in seconds of the trace's clock, or (undefined) at the end.
 *
 * @public
 */
export type Moment = { readonly event: number } | { readonly seconds: number } | undefined;

/** Is the event past the moment, so that the state before it is what was asked for? */
export function isPast(moment: Moment, event: QemuTraceEvent): boolean {
  if (moment === undefined) return false;
  if ("event" in moment) return event.number > moment.event;
  return event.seconds + event.nanoseconds / 1e9 > moment.seconds;
}

/**
 * Reads a moment: a number of an event, or a time in seconds with a point or an `s`; `end` or nothing is the end.
 *
 * @throws IommuError BAD_ARGUMENT
 * @public
 */
export function parseMoment(text: string | undefined): Moment {
  if (text === undefined || text === "end") return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return { event: Number(text) };
  if (/^[0-9]{1,15}(?:\.[0-9]{1,9})?s?$/.test(text)) return { seconds: Number(text.replace("s", "")) };
  throw new IommuError(
    "BAD_ARGUMENT",
    `"${text}" is no moment: write the number of an event, a time such as 12.5 or 12s, or end`,
  );
}
