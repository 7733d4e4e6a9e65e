/**
 * Rows of a test that `npm test` does not need all of, as they show one mechanism: the first of each `step` rows. The long
 * run has all: a file `NAME.long.test.ts` that loads the tests of `NAME.test.ts`.
 */
export const some = <Row>(rows: readonly Row[], step: number): readonly Row[] =>
  process.env.WHOLE === undefined ? rows.filter((_, i) => i % step === 0) : rows;

/** How often a test does something: so often in `npm test`, and so often in the long run. */
export const times = (here: number, long: number): number => (process.env.WHOLE === undefined ? here : long);
