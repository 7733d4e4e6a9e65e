import { toBig } from "./u64.ts";
/**
 * Seeded random numbers for scripts: mulberry32, and ways to choose with it.
 * The same seed gives the same script on every machine.
 */
export class Random {
  /** What a failing run is repeated from. */
  readonly seed: number;
  #state: number;

  /** @param seed any whole number */
  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed | 0;
  }

  /** A whole number below `limit`, which is 1 to 2^32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /** 64 random bits. */
  u64(): bigint {
    return toBig(this.below(2 ** 32), this.below(2 ** 32));
  }

  /** A value below `limit`; 0 if that is 0. */
  belowBig(limit: bigint): bigint {
    return limit === 0n ? 0n : this.u64() % limit;
  }

  chance(probability: number): boolean {
    return this.below(2 ** 32) < probability * 2 ** 32;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** One of the values, each as often as its weight says. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    let left = this.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    return choices[choices.length - 1]![1];
  }
}
