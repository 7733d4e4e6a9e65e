import { compareTravel } from "./window-travel-campaign.ts";

<<<<<<< HEAD
compareTravel(200_000, 20);
=======
const NAMES = [
  ...corpusNames("traces", ".log.gz").map((name) => `${name}.log`),
  ...corpusNames("traces", ".simple.gz").map((name) => `${name}.simple`),
];
/** Of longer ones the beginning. */
const SHORT = 600_000;
const seed = runSeed();

const shown = (states: readonly WindowState[]): unknown[] =>
  states.map((state) => {
    const runs: StateRun[] = [];
    forEachStateRun(state, (run) => runs.push(run));
    const { liobn, busOffset, pageShift, entries, isGuess, assumedParts, defaultWindow } = state;
    return { liobn, busOffset, pageShift, entries, isGuess, assumedParts, defaultWindow, runs };
  });

/** @param miscounted gets the events after which another number of entries is valid than is said */
function travelled(bytes: Uint8Array, miscounted: number[]): WindowTravel {
  const travel = new WindowTravel();
  const followed = new FollowedRebuild(travel);
  travel.watch(followed.rebuild);
  const source = new TraceSource("trace", {
    qemu: (event) => {
      followed.handle(event);
      const counted = followed.rebuild.windows.get(event.liobn)?.window.table?.validCount ?? 0;
      if (travel.validEntries(event.liobn) !== counted) miscounted.push(event.number);
    },
    linux: () => {},
    gap: (gap) => followed.gap(gap),
  });
  source.push(bytes);
  source.end();
  followed.end();
  return travel;
}

/** Compares some moments with what reading up to there gives. */
async function compare(bytes: Uint8Array, count: number, random: Random): Promise<void> {
  const miscounted: number[] = [];
  let travel: WindowTravel;
  try {
    travel = travelled(bytes, miscounted);
  } catch {
    return; // no trace any more
  }
  expect(miscounted).toEqual([]);
  const events = Array.from({ length: count }, () => random.below(travel.lastEvent + 1));
  events.push(0, travel.lastEvent);
  const moments = events.map((event) => ({ event }));
  const states = await statesAtMoments(bytes, moments, { onTruncated: () => {} });
  for (const [i, { windows }] of states.entries())
    expect(shown(travel.at(events[i]!)), `event ${events[i]}`).toEqual(shown(windows));
}

describe("the windows after any event, after one reading", () => {
  it.each(NAMES)(`are those that a reading up to there shows, seed ${seed}: %s`, async (name) => {
    const bytes = readCorpus("traces", name).subarray(0, SHORT);
    await compare(bytes, 5, new Random(seed));
  });

  it(`are so in damaged traces, seed ${seed}`, async () => {
    const random = new Random(seed);
    const short = NAMES.map((name) => readCorpus("traces", name).subarray(0, 60_000));
    for (let round = 0; round < 30; round++)
      await compare(mutate(random.pick(short), short, random), 6, random);
  });
});
>>>>>>> term
