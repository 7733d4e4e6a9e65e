import { Random } from "./engine.mjs";
/**
 * Every run of a benchmark does the same work.
 *
 * @param {number} seed
 * @returns {(limit: number) => number} a whole number below `limit`, which is at most 2^32
 */
export function seeded(seed) {
  const random = new Random(seed);
  return (limit) => random.below(limit);
}

/** `count` different numbers below `limit`, in random order. */
export function distinct(count, limit, seed) {
  const random = seeded(seed);
  const seen = new Set();
  while (seen.size < count) seen.add(random(limit));
  return Float64Array.from(seen);
}

/** The numbers of `values` in random order, in place. */
export function shuffle(values, seed) {
  const random = seeded(seed);
  for (let i = values.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}
