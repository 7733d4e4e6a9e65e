export { Random } from "../../src/base/random.ts";

/**
 * The seed of this run: `SEED` from the environment, or 1, so that the ordinary tests are the same for everybody.
 * `npm run test:long` and `.ci/run` set a new one and print it. A seed that found a fault becomes a row of its test.
 */
export function runSeed(): number {
  const seed = Number(process.env.SEED ?? 1);
  if (!Number.isInteger(seed)) throw new Error(`SEED=${process.env.SEED} is no integer`);
  return seed;
}

/**
 * Rounds of a campaign that takes many minutes: all of them with `npm run test:long`, and the part that `SHARE` says (0.02: a
 * fiftieth) in `.ci/run`, which has other things to do, too.
 */
export function rounds(all: number): number {
  const share = Number(process.env.SHARE ?? 1);
  if (!(share > 0 && share <= 1)) throw new Error(`SHARE=${process.env.SHARE} is not above 0 and at most 1`);
  return Math.ceil(all * share);
}
