import { describe, expect, it } from "vitest";
import { EntryHistory, POSITION_SPAN, PositionScale } from "../../../src/check/rebuild/entry-history.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { same } from "../../helpers/same.ts";

const ENTRIES = 64;

describe("the history of a window's entries", () => {
  it("knows event and position of the last change, however far into the file", () => {
    const seed = runSeed();
    const random = new Random(seed);
    const scale = new PositionScale();
    const history = new EntryHistory(ENTRIES, scale);
    const model = new Map<number, { event: number; line: number }>();
    let position = POSITION_SPAN - 200;
    for (let event = 0; event < 4000; event++) {
      // Steps to just before, at and behind a multiple of the span, and over several of them.
      const jump = random.below(40) === 0 ? random.below(3) * POSITION_SPAN : 0;
      position += jump + 1 + random.below(random.below(20) === 0 ? POSITION_SPAN : 3);
      if (position >= POSITION_SPAN) scale.note(event, position);
      const first = random.below(ENTRIES);
      const count = 1 + random.below(Math.min(3, ENTRIES - first));
      history.note(first, count, event, position);
      for (let index = first; index < first + count; index++) model.set(index, { event, line: position });
      const looked = random.below(ENTRIES);
      const where = (): string => `entry ${looked}, seed ${seed}`;
      const [found, wanted] = [history.at(looked), model.get(looked)];
      same(found?.event, wanted?.event, where);
      same(found?.line, wanted?.line, where);
      same(history.eventAt(looked), wanted?.event ?? -1, where);
    }
    expect(position).toBeGreaterThan(2 ** 34);
    const places = new Map<number, { event: number; line: number }>();
    history.forEachRun(0, ENTRIES, (first, count, place) => {
      for (let index = first; index < first + count; index++) places.set(index, place);
    });
    expect([...places].sort(([a], [b]) => a - b)).toEqual([...model].sort(([a], [b]) => a - b));
    expect(history.size).toBe(model.size);
  });

  it("refuses more events than it can number", () => {
    const history = new EntryHistory(ENTRIES, new PositionScale());
    history.note(0, 1, 2 ** 32 - 2, 1);
    expect(history.at(0)).toEqual({ event: 2 ** 32 - 2, line: 1 });
    expect(() => history.note(0, 1, 2 ** 32 - 1, 1)).toThrow(/event 4294967295/);
  });
});
