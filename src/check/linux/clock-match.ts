import type { KernelEvent } from "../../formats/trace/kernel-event.ts";

/** Seconds that no machine has run: a clock that shows more counts from 1970, and not from boot. */
const WALL_CLOCK = 1e9;

/** Seconds by which the distances of several faults may differ: the log is written a little after the event. */
const TOLERANCE = 0.1;

/** Do two times count from the same moment, as far as their size tells? */
export const areOneClock = (a: number, b: number): boolean => a >= WALL_CLOCK === b >= WALL_CLOCK;

/**
 * What to add to the times of a log to have them on the clock of a trace: the distance of the faults that both tell of.
 * Only a fault whose address stands in each just once is one and the same, and all of these must agree.
 *
 * @param trace what the trace says, by its own clock
 * @returns seconds; undefined if nothing stands in both, or it does not agree
 */
export function clockDistance(
  trace: readonly KernelEvent[],
  log: readonly KernelEvent[],
): number | undefined {
  const there = onceOnly(log);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [address, event] of onceOnly(trace)) {
    const same = there.get(address);
    if (same === undefined) continue;
    const distance = secondsOf(event) - secondsOf(same);
    least = Math.min(least, distance);
    most = Math.max(most, distance);
  }
  return least <= most && most - least <= TOLERANCE ? least : undefined;
}

/** An event so many seconds later. */
export function later(event: KernelEvent, seconds: number): KernelEvent {
  const whole = Math.floor(seconds);
  const nanoseconds = event.nanoseconds + Math.round((seconds - whole) * 1e9);
  const carry = Math.floor(nanoseconds / 1e9);
  return { ...event, seconds: event.seconds + whole + carry, nanoseconds: nanoseconds - carry * 1e9 };
}

const secondsOf = ({ seconds, nanoseconds }: KernelEvent): number => seconds + nanoseconds / 1e9;

/** Faults with a time, by address, if only one has it. */
function onceOnly(events: readonly KernelEvent[]): Map<bigint, KernelEvent> {
  const once = new Map<bigint, KernelEvent>();
  const often = new Set<bigint>();
  for (const event of events) {
    if (event.what.type !== "fault") continue;
    const { address } = event.what;
    if (once.has(address)) often.add(address);
    once.set(address, event);
  }
  for (const address of often) once.delete(address);
  for (const [address, event] of once) if (Number.isNaN(event.seconds)) once.delete(address);
  return once;
}
