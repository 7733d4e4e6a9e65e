export { Random } from "../../src/live/random/random.ts";

/**
 * The seed of this run: `SEED` from the environment, or 1, so that the ordinary tests are the same for everybody.
 * `npm run test:long` and `.ci/run` set a new one and print it. A seed that found a fault becomes a row of its test.
 */
export function runSeed(): number {
  const seed = Number(process.env.SEED ?? 1);
  if (!Number.isInteger(seed)) throw new Error(`SEED=${process.env.SEED} is no integer`);
  return seed;
}
