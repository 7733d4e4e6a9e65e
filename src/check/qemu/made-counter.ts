/** Samples that are kept; then every second one goes. */
const MAX_SAMPLES = 4096;

/**
 * Counts things in the order in which events make them, so that one can ask
 * later how many were made since some event. Its memory is bounded: the answer
 * is exact to one sample's distance, and never too high.
 */
export class MadeCounter {
  total = 0;
  #every = 1;
  /** The total from which on the next sample is taken. */
  #next = 1;
  #events: number[] = [];
  #totals: number[] = [];

  add(event: number, count: number): void {
    this.total += count;
    if (this.total >= this.#next) this.#sample(event);
  }

  #sample(event: number): void {
    this.#events.push(event);
    this.#totals.push(this.total);
    if (this.#events.length === MAX_SAMPLES) {
      this.#every *= 2;
      this.#events = this.#events.filter((_event, i) => i % 2 === 1);
      this.#totals = this.#totals.filter((_total, i) => i % 2 === 1);
    }
    this.#next = this.total + this.#every;
  }

  /** How many were made after an event, at least. */
  madeSince(event: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]! <= event) low = middle + 1;
      else high = middle;
    }
    return low < this.#totals.length ? this.total - this.#totals[low]! : 0;
  }
}
