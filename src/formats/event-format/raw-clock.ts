import type { LinuxDmaEvent } from "../trace/dma-event.ts";

const SECOND = 1_000_000_000;

/**
 * How cycles become nanoseconds in trace-cmd's clock `tsc2nsec`: `cycles * multiplier >> shift`. The file has an offset, too,
 * which `trace-cmd report` 3.1.6 leaves out.
 */
export interface CycleScale {
  readonly multiplier: number;
  readonly shift: number;
}

/** Clocks of Linux' tracer that count something else than nanoseconds. */
const TICKING: readonly string[] = ["counter", "x86-tsc", "ppc-tb"];

/** Does a clock count something else than nanoseconds? */
export const isTicking = (clock: string): boolean => TICKING.includes(clock);

/**
 * The clock of a recording. Times in it are of 64 bits; here they are numbers that count from the first one, exact up to
 * 2^53 (104 days of nanoseconds).
 */
export class RawClock {
  readonly #origin: bigint;
  readonly #isTicking: boolean;
  readonly #scale: CycleScale | undefined;
  /** Nanoseconds that are added to what people see. */
  readonly #shift: bigint;
  /** The first time (with a scale: the one that was asked for last). */
  #seconds = 0;
  #nanoseconds = 0;
  /** A second of what people see, and when it begins by this clock: that of the event before, mostly that of the next. */
  #second = 0;
  #secondFrom = Number.NaN;

  /**
   * @param origin the first time
   * @param shift nanoseconds that are added to what people see: the time of day of `--date`
   */
  constructor(origin: bigint, ticking: boolean, shift = 0n, scale?: CycleScale) {
    this.#origin = origin;
    this.#isTicking = ticking && scale === undefined;
    this.#scale = scale;
    this.#shift = shift;
    this.#become(origin);
  }

  /** A time of the recording as a number of this clock. */
  since(time: bigint): number {
    return Number(time - this.#origin);
  }

  /** Writes a time into an event. */
  set(event: LinuxDmaEvent, time: number): void {
    event.ticks = Number.NaN;
    if (this.#isTicking) {
      event.seconds = Number.NaN;
      event.nanoseconds = 0;
      event.ticks = Number(this.#origin) + time;
    } else if (this.#scale !== undefined) {
      const { multiplier, shift } = this.#scale;
      const cycles = this.#origin + BigInt(Math.trunc(time));
      this.#become((cycles * BigInt(multiplier)) >> BigInt(shift));
      event.seconds = this.#seconds;
      event.nanoseconds = this.#nanoseconds;
    } else {
      const isSame = time >= this.#secondFrom && time < this.#secondFrom + SECOND;
      if (!isSame) this.#beginSecond(time);
      event.seconds = this.#second;
      event.nanoseconds = time - this.#secondFrom;
    }
  }

  #beginSecond(time: number): void {
    const seconds = Math.floor((this.#nanoseconds + time) / SECOND);
    this.#second = this.#seconds + seconds;
    this.#secondFrom = seconds * SECOND - this.#nanoseconds;
  }

  #become(time: bigint): void {
    const nanoseconds = time + this.#shift;
    const rest = nanoseconds % BigInt(SECOND);
    this.#seconds = Number((nanoseconds - rest) / BigInt(SECOND));
    this.#nanoseconds = Number(rest);
  }
}
