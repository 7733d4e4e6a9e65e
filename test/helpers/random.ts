export { Random } from "../../src/live/random/random.ts";

/** The seed of this run: `SEED` from the environment, or a new one. Print it with a failure. */
export const runSeed = (): number =>
  process.env.SEED === undefined ? (Math.random() * 2 ** 32) >>> 0 : Number(process.env.SEED);
