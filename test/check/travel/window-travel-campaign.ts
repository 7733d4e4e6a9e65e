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

function travelled(bytes: Uint8Array): WindowTravel {
  const travel = new WindowTravel();
  const followed = new FollowedRebuild(travel);
  travel.watch(followed.rebuild);
  const source = new TraceSource("trace", {
    qemu: (event) => followed.handle(event),
    linux: () => {},
    gap: (gap) => followed.gap(gap),
  });
  source.push(bytes);
  source.end();
  followed.end();
  return travel;
}

/** How many entries of each window are valid after an event, by the rows of what was written. */
function countedAt({ writes, spans }: WindowTravel, at: number): number[] {
  const counts = new Map<number, number>();
  writes.count(0, [], (event, span, valid) => {
    if (event <= at) counts.set(span, valid);
  });
  return spans
    .filter(({ from, until }) => from <= at && at < until)
    .sort((a, b) => a.liobn - b.liobn)
    .map(({ number }) => counts.get(number) ?? 0);
}

/** Compares some moments with what reading up to there gives. */
async function compare(bytes: Uint8Array, count: number, random: Random): Promise<void> {
  let travel: WindowTravel;
  try {
    travel = travelled(bytes);
  } catch {
    return; // no trace any more
  }
  const events = Array.from({ length: count }, () => random.below(travel.lastEvent + 1));
  events.push(0, travel.lastEvent);
  const moments = events.map((event) => ({ event }));
  const states = await statesAtMoments(bytes, moments, { onTruncated: () => {} });
  for (const [i, { windows }] of states.entries()) {
    const event = events[i]!;
    expect(shown(travel.at(event)), `event ${event}`).toEqual(shown(windows));
    const valid = windows.map(({ table }) => table.validCount);
    expect(countedAt(travel, event), `counted after event ${event}`).toEqual(valid);
  }
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
