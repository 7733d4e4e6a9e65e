/** Milliseconds that the worker works without looking at what the page asks. */
const TURN_MS = 8;

/** Milliseconds since some moment. */
export type Clock = () => number;

/** A job in steps of some milliseconds at most, between which others may have their turn; it returns what it made. */
export type Steps<Value> = Generator<void, Value, void>;

/** Does a job in one go. */
export function allAtOnce<Value>(steps: Steps<Value>): Value {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Lets a long job give way to what came meanwhile. */
export class Breath {
  readonly #clock: Clock;
  #since: number;
  readonly #channel = new MessageChannel();
  #wake: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock();
    this.#channel.port1.addEventListener("message", () => this.#wake());
    this.#channel.port1.start();
  }

  /** Gives way if it is time to. */
  async take(): Promise<void> {
    if (this.#clock() - this.#since < TURN_MS) return;
    // A timer of 0 ms takes 4 of them; a message takes none.
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#channel.port2.postMessage(null);
    });
    this.#since = this.#clock();
  }

  /** Does a job, and gives way between its steps. */
  async through<Value>(steps: Steps<Value>): Promise<Value> {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      await this.take();
    }
  }

  end(): void {
    this.#channel.port1.close();
  }
}
