/**
 * An object that one call after another uses, so that a hot path allocates
 * nothing. A call that begins while another one has it makes an object of its
 * own; so does the next call after one that threw and never gave it back.
 */
export class Spare<T extends object> {
  readonly #make: () => T;
  #free: T | null;

  constructor(make: () => T) {
    this.#make = make;
    this.#free = make();
  }

  take(): T {
    const free = this.#free;
    if (free === null) return this.#make();
    this.#free = null;
    return free;
  }

  giveBack(used: T): void {
    this.#free = used;
  }
}
