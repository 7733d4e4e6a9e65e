/** Samples that are kept; then every second one goes. */
const MAX_SAMPLES = 4096;
/** Samples that there is room for at first. */
const FIRST_ROOM = 32;

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
  /** Event and total of each, one after the other. */
  #samples = new Float64Array(FIRST_ROOM * 2);
  /** Numbers that are in there. */
  #length = 0;

  add(event: number, count: number): void {
    this.total += count;
    if (this.total >= this.#next) this.#sample(event);
  }

  #sample(event: number): void {
    const at = this.#length;
    if (at === this.#samples.length) this.#grow();
    this.#samples[at] = event;
    this.#samples[at + 1] = this.total;
    this.#length = at + 2;
    if (this.#length === MAX_SAMPLES * 2) this.#thinOut();
    this.#next = this.total + this.#every;
  }

  #grow(): void {
    const larger = new Float64Array(this.#length * 2);
    larger.set(this.#samples);
    this.#samples = larger;
  }

  /** Every second sample goes. */
  #thinOut(): void {
    const samples = this.#samples;
    this.#every *= 2;
    this.#length /= 2;
    for (let at = 0; at < this.#length; at += 2) samples.copyWithin(at, at * 2 + 2, at * 2 + 4);
  }

  /** How many were made after an event, at least. */
  madeSince(event: number): number {
    const samples = this.#samples;
    let low = 0;
    let high = this.#length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (samples[middle * 2]! <= event) low = middle + 1;
      else high = middle;
    }
    return low * 2 < this.#length ? this.total - samples[low * 2 + 1]! : 0;
  }
}
