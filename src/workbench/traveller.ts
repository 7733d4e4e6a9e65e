/** Milliseconds without another moment after which nobody travels any more, as one does who moves the playhead again and again. */
export const REST_MS: number = 250;

/** The longest that somebody who travels is waited for: a recording that grows moves the playhead all the time. */
const LONGEST_MS = 1000;

/** Milliseconds since whenever, and a wait of so many. */
interface Clock {
  now(): number;
  wait(milliseconds: number): Promise<void>;
}

/** Somebody who goes from moment to moment, or stays at one: what takes long to draw waits until they rest. */
export class Traveller {
  #event = -1;
  /** When they came to the event, and until when they travel if they do not go on. */
  #cameAt: number = Number.NEGATIVE_INFINITY;
  #travelsUntil = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Is at an event. */
  at(event: number): void {
    if (event === this.#event) return;
    const now = this.#clock.now();
    if (now - this.#cameAt < REST_MS) this.#travelsUntil = now + REST_MS;
    this.#event = event;
    this.#cameAt = now;
  }

  /** Resolves when they do not travel, or did so for long enough. */
  async rest(): Promise<void> {
    const latest = this.#clock.now() + LONGEST_MS;
    for (;;) {
      const left = Math.min(this.#travelsUntil, latest) - this.#clock.now();
      if (left <= 0) return;
      await this.#clock.wait(left);
    }
  }
}
