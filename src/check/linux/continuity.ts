import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";

/**
 * Of the time since the recording began it may go back so small a part: lines of several CPUs that were put together
 * are a little out of order, while a recording that begins anew, or the text of another CPU, goes back far.
 */
const DISORDER = 1 / 8;

/** Of the last event: its time; and in seconds or in ticks: its time, and the first and the latest one of this recording. */
const SECONDS = 0;
const NANOSECONDS = 1;
const TICKS = 2;
const NOW = 3;
const FIRST = 4;
const LATEST = 5;

/** Notices where the times of a recording go back, and whether each part of it between such places ran on one CPU. */
export class Continuity {
  /** How often times go back. */
  backwards = 0;
  /** CPU of the first event of this part that names one; -1 before that. */
  #cpu = -1;
  /** CPUs of which parts are, and whether a part is of several. */
  readonly #cpus = new Set<number>();
  #isMixed = false;
  /** In an array, and handed on in it: a number that is not whole is an object for each event elsewhere. */
  readonly #times = new Float64Array(6).fill(Number.NaN);

  /** The CPUs of the parts, if each part is of one; none if not, or if the text does not name them. */
  get cpus(): readonly number[] {
    return this.#isMixed ? [] : [...this.#cpus];
  }

  /** Is this event older than the one before it? Then it belongs to another recording, or to the text of another CPU. */
  breaks(event: LinuxDmaEvent): boolean {
    const breaks = this.#isOlder(event);
    if (breaks) this.#cpu = -1;
    const { cpu } = event;
    if (cpu === this.#cpu || cpu < 0) return breaks;
    if (this.#cpu >= 0) this.#isMixed = true;
    else this.#cpus.add(cpu);
    this.#cpu = cpu;
    return breaks;
  }

  #isOlder({ seconds, nanoseconds, ticks }: LinuxDmaEvent): boolean {
    const times = this.#times;
    // What is missing is no number, and less than nothing.
    const isOlder =
      seconds < times[SECONDS]! ||
      (seconds === times[SECONDS] && nanoseconds < times[NANOSECONDS]!) ||
      ticks < times[TICKS]!;
    times[SECONDS] = seconds;
    times[NANOSECONDS] = nanoseconds;
    times[TICKS] = ticks;
    if (ticks >= 0) times[NOW] = ticks;
    else times[NOW] = seconds + nanoseconds * 1e-9;
    if (isOlder) return this.#beginsAnew();
    if (!(times[NOW]! < times[LATEST]!)) times[LATEST] = times[NOW]!;
    if (!(times[FIRST]! >= 0)) times[FIRST] = times[NOW]!;
    return false;
  }

  /** Time went back: by so much that it is another recording? */
  #beginsAnew(): boolean {
    const times = this.#times;
    const now = times[NOW]!;
    const latest = times[LATEST]!;
    if (latest - now < (latest - times[FIRST]!) * DISORDER) return false;
    times[FIRST] = now;
    times[LATEST] = now;
    this.backwards++;
    return true;
  }
}
