import { fileKind, isText } from "../../formats/file-kind.ts";
import type { OpenedInput } from "../../formats/input/opened-input.ts";
import {
  describeKind,
  describeNoText,
  ForeignText,
  unknownEvents,
} from "../../formats/trace/foreign-text.ts";
import type { KernelEvent } from "../../formats/trace/kernel-event.ts";
import { DmaLogReader } from "../../formats/trace/linux-dma-log.ts";
import { areOneClock } from "./clock-match.ts";
import type { Moment } from "./report.ts";

/** The kernel's log, from a file of its own. */
export interface KernelLog {
  /** What it says of DMA, in the order of its times, those without one last. */
  readonly events: readonly KernelEvent[];
  /** Does it say something of DMA, or has it at least a line as only such a log has? */
  readonly isKnown: boolean;
}

/**
 * Reads the kernel's log. Lines in the memory or on the disk of a machine are remains of whatever was there: they are none.
 *
 * @param name of the log, for messages
 * @throws IommuError UNSUPPORTED if it is no text, as for a trace
 */
export async function readKernelLog({ head, chunks }: OpenedInput, name: string): Promise<KernelLog> {
  const known = isText(head) ? undefined : fileKind(head, false);
  if (known?.isText === false) throw unknownEvents(name, describeKind(known));
  const foreign = new ForeignText();
  const events: KernelEvent[] = [];
  const reader = new DmaLogReader(
    () => {},
    (event) => events.push({ ...event, task: -1, pid: -1 }),
  );
  for await (const chunk of chunks) {
    reader.push(chunk);
    if (events.length === 0) foreign.push(chunk);
  }
  reader.end();
  const noText = events.length === 0 ? describeNoText(head) : undefined;
  if (noText !== undefined) throw unknownEvents(name, noText);
  const timeOf = ({ seconds, nanoseconds }: KernelEvent): number =>
    Number.isNaN(seconds) ? Number.POSITIVE_INFINITY : seconds + nanoseconds / 1e9;
  events.sort((a, b) => {
    const [before, after] = [timeOf(a), timeOf(b)];
    return before < after ? -1 : before > after ? 1 : 0;
  });
  return { events, isKnown: events.length > 0 || foreign.kernelLogLines > 0 };
}

/**
 * Hands out the lines of a log between the events of a trace, by their times: the tracer's usual clock and that of the
 * log count from boot. Lines on another clock come behind the last event, without a time.
 */
export class KernelLogMerge {
  /** Lines without a time, or for a trace without times. */
  untimed = 0;
  /** Lines whose time is on another clock than the trace's. */
  otherClock = 0;
  /** Lines that are older than the first event. */
  early = 0;
  readonly #events: readonly KernelEvent[];
  readonly #hand: (event: KernelEvent) => void;
  #next = 0;
  #began = false;
  /** Do trace and log count from the same moment? */
  #isSameClock = true;

  constructor(events: readonly KernelEvent[], hand: (event: KernelEvent) => void) {
    this.#events = events;
    this.#hand = hand;
  }

  /** To be called before each event of the trace, with its time. */
  upTo(moment: Moment, number: number): void {
    if (Number.isNaN(moment.seconds)) return;
    const first = this.#events[this.#next];
    if (first === undefined) return;
    if (!this.#began) this.#isSameClock = areOneClock(moment.seconds, first.seconds);
    if (this.#isSameClock) this.#handUntil(moment, number);
    this.#began = true;
  }

  /** To be called after the last event. */
  end(number: number): void {
    const isKnown = this.#isSameClock && this.#began;
    for (const event of this.#events.slice(this.#next)) {
      const hasTime = isKnown && !Number.isNaN(event.seconds);
      if (!hasTime) {
        if (this.#began && !Number.isNaN(event.seconds)) this.otherClock++;
        else this.untimed++;
      }
      this.#hand({ ...event, number, ...(hasTime ? {} : { seconds: Number.NaN }) });
    }
  }

  #handUntil({ seconds, nanoseconds }: Moment, number: number): void {
    for (; this.#next < this.#events.length; this.#next++) {
      const event = this.#events[this.#next]!;
      const isBefore =
        event.seconds < seconds || (event.seconds === seconds && event.nanoseconds <= nanoseconds);
      if (!isBefore) return;
      if (!this.#began) this.early++;
      this.#hand({ ...event, number });
    }
  }
}
