/**
 * A seeded generator (mulberry32): every run of a benchmark does the same work.
 *
 * @param {number} seed
 * @returns {(limit: number) => number} a whole number below `limit`, which is at most 2^32
 */
export function seeded(seed) {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
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
