import { describe, expect, it } from "vitest";
import { forEachStateRun, type StateRun, type WindowState } from "../../../src/check/state/window-state.ts";
import { FollowedRebuild } from "../../../src/check/travel/followed-rebuild.ts";
import { WindowTravel } from "../../../src/check/travel/window-travel.ts";
import { statesAtMoments } from "../../../src/check/whole/windows-at.ts";
import { TraceSource } from "../../../src/formats/trace/trace-source.ts";
import { corpusNames, readCorpusHead } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { some } from "../../helpers/some.ts";
import { mutate } from "../trace-mutations.ts";

const NAMES = [
  ...corpusNames("traces", ".log.gz").map((name) => `${name}.log`),
  ...corpusNames("traces", ".simple.gz").map((name) => `${name}.simple`),
];
const seed = runSeed();

const shown = (states: readonly WindowState[]): unknown[] =>
  states.map((state) => {
    const runs: StateRun[] = [];
    forEachStateRun(state, (run) => runs.push(run));
    const { liobn, busOffset, pageShift, entries, isGuess, assumedParts, defaultWindow } = state;
    return { liobn, busOffset, pageShift, entries, isGuess, assumedParts, defaultWindow, runs };
  });

/** @param miscounted gets the events after which another number of entries is valid in their window than the rows of writes say */
function travelled(bytes: Uint8Array, miscounted: number[]): WindowTravel {
  const travel = new WindowTravel();
  const counts: { event: number; liobn: number; counted: number }[] = [];
  const followed = new FollowedRebuild(travel);
  travel.watch(followed.rebuild);
  const source = new TraceSource("trace", {
    qemu: (event) => {
      followed.handle(event);
      const counted = followed.rebuild.windows.get(event.liobn)?.window.table?.validCount ?? 0;
      counts.push({ event: event.number, liobn: event.liobn, counted });
    },
    linux: () => {},
    gap: (gap) => followed.gap(gap),
  });
  source.push(bytes);
  source.end();
  followed.end();
  const valid = new Map<number, Map<number, number>>();
  travel.writes.count(0, [], (event, span, count) => {
    const { liobn } = travel.spans[span]!;
    valid.set(event, (valid.get(event) ?? new Map()).set(liobn, count));
  });
  const now = new Map<number, number>();
  for (const { event, liobn, counted } of counts) {
    for (const [one, count] of valid.get(event) ?? []) now.set(one, count);
    if ((now.get(liobn) ?? 0) !== counted) miscounted.push(event);
  }
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

/**
 * Tests that the windows after any event are those that a reading up to there shows.
 *
 * @param bytes of each recording, from its beginning
 * @param damaged how many damaged recordings
 */
export function compareTravel(bytes: number, damaged: number): void {
  describe("the windows after any event, after one reading", () => {
    it.each(some(NAMES, 3))(`are those that a reading up to there shows, seed ${seed}: %s`, async (name) => {
      await compare(readCorpusHead("traces", name, bytes), 5, new Random(seed));
    });

    it(`are so in damaged traces, seed ${seed}`, async () => {
      const random = new Random(seed);
      const short = NAMES.map((name) => readCorpusHead("traces", name, 60_000));
      for (let round = 0; round < damaged; round++)
        await compare(mutate(random.pick(short), short, random), 6, random);
    });
  });
}
