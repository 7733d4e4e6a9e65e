import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";

/** Notices where the times of a recording go back, and whether all of it ran on one CPU. */
export class Continuity {
  /** How often times go back. */
  backwards = 0;
  /** The one CPU of all events so far; -1 before the first one that names it, NaN if there are several. */
  cpu: number = -1;
  #seconds = Number.NaN;
  #nanoseconds = 0;
  #ticks = Number.NaN;

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
    if (isOlder) this.backwards++;
    return isOlder;
  }
}
