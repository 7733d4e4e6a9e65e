import type { PerfettoWriter } from "../../formats/perfetto/perfetto-writer.ts";

/** Nanoseconds between events of a trace without times. */
const ASSUMED_STEP = 1000n;

/** A damaged line may have any time; one after this, in seconds, would hold up all that follow. */
const END_OF_TIME = 2 ** 33;

/** Rates are counted in stretches of this length, in nanoseconds. */
const STRETCH = 10_000_000n;
const STRETCHES_PER_SECOND = 100;

/**
 * Times for a timeline: those of the trace, but never going back, since a
 * slice must not end before it began; several threads may log out of order.
 * A trace without times gets a microsecond an event.
 */
export class TimelineClock {
  #now = 0n;

  timeOf(seconds: number, nanoseconds: number, event: number): bigint {
    let time = this.#now;
    if (Number.isNaN(seconds)) time = BigInt(event) * ASSUMED_STEP;
    else if (seconds < END_OF_TIME) time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
    if (time > this.#now) this.#now = time;
    return this.#now;
  }
}

/**
 * Tracks for slices that overlap, which those of one track must not: a track
 * for each that is alive at the same time, used again when it is free. All
 * have one name, so that the UI shows them as one.
 */
export class Lanes {
  readonly #perfetto: PerfettoWriter;
  readonly #parent: number;
  readonly #name: string;
  readonly #free: number[] = [];

  constructor(perfetto: PerfettoWriter, parent: number, name: string) {
    this.#perfetto = perfetto;
    this.#parent = parent;
    this.#name = name;
  }

  take(): number {
    return this.#free.pop() ?? this.#perfetto.addTrack(this.#name, this.#parent);
  }

  give(lane: number): void {
    this.#free.push(lane);
  }
}

/** A counter of how many a second. */
export class RateCounter {
  readonly #perfetto: PerfettoWriter;
  readonly #counter: number;
  /** Start of the current stretch, and how many were counted in it. */
  #start = -STRETCH;
  #count = 0;

  constructor(perfetto: PerfettoWriter, parent: number, name: string) {
    this.#perfetto = perfetto;
    this.#counter = perfetto.addCounter(name, parent, "/s");
  }

  add(time: bigint): void {
    if (time >= this.#start + STRETCH) {
      this.end();
      this.#start = time - (time % STRETCH);
    }
    this.#count++;
  }

  /** Shows the current stretch, and nothing after it. */
  end(): void {
    if (this.#count === 0) return;
    this.#perfetto.setCounter(this.#counter, this.#start, this.#count * STRETCHES_PER_SECOND);
    this.#perfetto.setCounter(this.#counter, this.#start + STRETCH, 0);
    this.#count = 0;
  }
}
