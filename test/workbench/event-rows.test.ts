import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { EventRows } from "../../src/workbench/desk/event-rows.ts";

interface Row {
  readonly line: number;
  readonly lane: number;
  readonly kind: number;
  readonly mapped: number;
}

/** Events of two lanes: of each, how many pages are mapped changes only now and then. */
function someRows(count: number, lineOf: (event: number) => number): { rows: EventRows; all: Row[] } {
  const random = new Random(5);
  const rows = new EventRows();
  const lanes = [rows.lane("a"), rows.lane("b")];
  const latest = [0, 0];
  const all: Row[] = [];
  for (let event = 0; event < count; event++) {
    const place = random.below(2);
    if (random.below(4) === 0) latest[place] = random.below(1000);
    const row = { line: lineOf(event), lane: lanes[place]!, kind: random.below(6), mapped: latest[place]! };
    rows.mapped(row.lane, row.mapped);
    rows.push(row.line, row.lane, row.kind);
    all.push(row);
  }
  return { rows, all };
}

describe("rows of events", () => {
  it.each([
    ["grow", (event: number) => event * 3 + 1],
    ["are places in a long file", (event: number) => event * 2 ** 33 + 7],
    ["come from two processors in turn", (event: number) => (event % 2) * 2 ** 22 + event],
  ])("have their lines, which %s", (_name, lineOf) => {
    const { rows, all } = someRows(700, lineOf);
    expect(all.map((_, event) => rows.lineOf(event))).toEqual(all.map(({ line }) => line));
  });

  it("find the last event at a line", () => {
    const { rows } = someRows(700, (event) => event * 2 ** 15 + 1);
    expect([0, 1, 2 ** 15, 2 ** 15 + 1, 699 * 2 ** 15].map((line) => rows.eventAtLine(line))).toEqual([
      0, 0, 0, 1, 698,
    ]);
  });

  it("have the pages that are mapped after each event, and the most of a stretch, which begins with those before it", () => {
    const { rows, all } = someRows(700, (event) => event + 1);
    const mappedAt = (lane: number, event: number): number =>
      all.slice(0, event + 1).findLast((row) => row.lane === lane)?.mapped ?? 0;
    for (const lane of [0, 1]) {
      for (let event = 0; event < 700; event += 13)
        expect(rows.mappedAt(lane, event)).toBe(mappedAt(lane, event));
      for (const [first, end] of [
        [0, 700],
        [255, 513],
        [100, 101],
      ] as const) {
        const during = Array.from({ length: end - first + 1 }, (_, i) => mappedAt(lane, first - 1 + i));
        expect(rows.peak(lane, first, end)).toBe(Math.max(...during));
      }
    }
  });

  it("count events by class", () => {
    const { rows, all } = someRows(700, (event) => event + 1);
    const counts = new Uint32Array(16);
    rows.count(1, 250, 600, counts, 0);
    const expected = Array.from(
      counts,
      (_, kind) => all.slice(250, 600).filter((row) => row.lane === 1 && row.kind === kind).length,
    );
    expect([...counts]).toEqual(expected);
  });
});
