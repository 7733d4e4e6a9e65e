import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";

/**
 * Of the time since the recording began it may go back so small a part: lines of several CPUs that were put together
 * are a little out of order, while a recording that begins anew, or the text of another CPU, goes back far.
 */
const DISORDER = 1 / 8;

/** Notices where the times of a recording go back, and whether all of it ran on one CPU. */
export class Continuity {
  /** How often times go back. */
  backwards = 0;
  /** The one CPU of all events so far; -1 before the first one that names it, NaN if there are several. */
  cpu: number = -1;
  #seconds = Number.NaN;
  #nanoseconds = 0;
  #ticks = Number.NaN;
  /** Time of the first event of this recording, and the latest one: in seconds, or in ticks. */
  #first = Number.NaN;
  #latest = Number.NaN;

  /** Is this event older than the one before it? Then it belongs to another recording, or to the text of another CPU. */
  breaks({ cpu, seconds, nanoseconds, ticks }: LinuxDmaEvent): boolean {
    if (cpu !== this.cpu && cpu >= 0) this.cpu = this.cpu === -1 ? cpu : Number.NaN;
    // What is missing is no number, and less than nothing.
    const isOlder =
      seconds < this.#seconds ||
      (seconds === this.#seconds && nanoseconds < this.#nanoseconds) ||
      ticks < this.#ticks;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#ticks = ticks;
    const now = Number.isNaN(ticks) ? seconds + nanoseconds / 1e9 : ticks;
    if (isOlder) return this.#beginsAnew(now);
    if (!(now < this.#latest)) this.#latest = now;
    if (Number.isNaN(this.#first)) this.#first = now;
    return false;
  }

  /** Time went back: by so much that it is another recording? */
  #beginsAnew(now: number): boolean {
    if (this.#latest - now < (this.#latest - this.#first) * DISORDER) return false;
    this.#first = now;
    this.#latest = now;
    this.backwards++;
    return true;
  }
}
