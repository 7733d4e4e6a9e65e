import { expect, it } from "vitest";
import { EntryWrites } from "../../../src/check/travel/entry-writes.ts";
import { Random, runSeed } from "../../helpers/random.ts";

/** What entries of windows hold, and which event changed each last: by window and entry. */
type Entries = Map<string, string>;

const NOBODY = 4_000_000_000;

it(`a state is what its rows say, one after the other, SEED=${runSeed()}`, () => {
  const random = new Random(runSeed());
  const writes = new EntryWrites();
  const states: Entries[] = [new Map()];
  for (let event = 1; event <= 3000; event++) {
    const entries = new Map(states.at(-1));
    states.push(entries);
    const span = random.below(3);
    const first = random.below(40);
    const [hi, lo] = [random.pick([0, 0, 1, 2 ** 32 - 1]), random.below(2 ** 32)];
    if (random.below(3) === 0) {
      writes.unmap(event, span, first, random.pick([NOBODY, event - 1]));
      entries.set(`${span} ${first}`, `0 0 ${event}`);
    } else if (random.below(20) > 0) {
      writes.put(event, span, first, hi, lo);
      entries.set(`${span} ${first}`, `${hi} ${lo} ${event}`);
    } else {
      const count = 1 + random.below(5);
      writes.stored({ event, span, first, count }, { hi, lo, step: 0 }, 0);
      for (let i = first; i < first + count; i++) entries.set(`${span} ${i}`, `${hi} ${lo} ${event}`);
    }
  }
  for (let time = 0; time < 60; time++) {
    const until = random.below(states.length);
    const values = new Map<string, string>();
    const made = new Map<string, number>();
    const fill = (span: number, first: number, count: number, tell: (entry: string) => void): void => {
      for (let i = first; i < first + count; i++) tell(`${span} ${i}`);
    };
    const middle = random.below(until + 1);
    let row = 0;
    for (const event of [middle, until]) {
      row = writes.replay(row, event, {
        value: (span, first, count, hi, lo) =>
          fill(span, first, count, (entry) => values.set(entry, `${hi} ${lo}`)),
        sure: () => {},
        made: (span, first, count, by) => fill(span, first, count, (entry) => made.set(entry, by)),
      });
      const shown = [...values].map(([entry, value]) => [entry, `${value} ${made.get(entry)}`] as const);
      expect(new Map(shown), `event ${event}`).toEqual(states[event]);
    }
  }
});
