/** Milliseconds that the worker works without looking at what the page asks. */
const TURN_MS = 12;

/** Milliseconds since some moment. */
export type Clock = () => number;

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

  end(): void {
    this.#channel.port1.close();
  }
}
