import { describe, expect, it } from "vitest";
import { RowLayout } from "../../src/workbench/desk/row-layout.ts";
import { UsedRows } from "../../src/workbench/desk/used-rows.ts";
import { ROW_CELLS, wholeShift, zoomedHeat } from "../../src/workbench/maths/heat-grid.ts";
import {
  cellOfPage,
  pageAtPlace,
  pageOfCell,
  placeOfPage,
  rowEnd,
  rowOfPage,
  rowsEnd,
} from "../../src/workbench/maths/heat-rows.ts";
import type { HeatRows } from "../../src/workbench/protocol.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";

const ROOM = 16;
const HUGE = 2 ** 31;
const seed = runSeed();

/** A layout of a space in which some pages were used. */
function layoutOf(pages: number, used: readonly (readonly [first: number, pages: number])[]): RowLayout {
  const rows = new UsedRows();
  for (const [first, count] of used) rows.add(0, 1, first, count);
  return new RowLayout(rows.stretches, pages);
}

const foldsOf = ({ folds }: HeatRows): number[] => [...folds];

describe("the levels of a heat map", () => {
  it.each([
    [1, 0],
    [ROOM * ROW_CELLS, 0],
    [ROOM * ROW_CELLS + 1, 1],
    [262_144, 8],
    [2 ** 31, 21],
    [2 ** 47, 37],
  ])("have all of %i pages in the rows at level %i", (pages, shift) => {
    expect(wholeShift(pages, ROOM)).toBe(shift);
    // Everything is used: nothing can be folded.
    const rows = layoutOf(pages, [[0, pages]]).fit(ROOM);
    expect(rows.shift).toBe(shift);
    expect(rowsEnd(rows)).toBeGreaterThanOrEqual(pages);
  });

  it(`go from 128 TiB to one entry and keep it in its row, seed ${seed}`, () => {
    const random = new Random(seed);
    for (let i = 0; i < 50; i++) {
      const page = random.below(HUGE);
      const others = Array.from(
        { length: 20 },
        () => [random.below(HUGE - 100), 1 + random.below(99)] as const,
      );
      const layout = layoutOf(HUGE, [[page, 1], ...others]);
      let rows = layout.rows({ first: page, shift: wholeShift(HUGE, ROOM), row: 5 }, ROOM);
      for (let shift = rows.shift; shift > 0; shift--) {
        const row = rowOfPage(rows, page);
        const view = zoomedHeat({ first: 0, shift }, HUGE, ROOM, { page, row }, -1);
        const next = layout.rows(view, ROOM);
        expect(next.shift).toBe(shift - 1);
        const at = rowOfPage(next, page);
        // Unless nothing is above, or nothing below, to fill the rows.
        if (next.starts[0] !== 0 && rowsEnd(next) < HUGE) expect(at).toBe(row);
        expect(next.folds[at]).toBe(1);
        rows = next;
      }
      expect(pageOfCell(rows, cellOfPage(rows, page)!)).toBe(page);
    }
  });
});

describe("rows that were never used", () => {
  it("are one, if they are many; those with anything are never folded", () => {
    const layout = layoutOf(1000 * ROW_CELLS, [
      [0, 1],
      [500 * ROW_CELLS + 3, 1],
      [503 * ROW_CELLS, 1],
    ]);
    const rows = layout.rows({ first: 0, shift: 0 }, ROOM);
    expect(foldsOf(rows)).toEqual([1, 499, 1, 1, 1, 1, 496]);
    expect(rowsEnd(rows)).toBe(1000 * ROW_CELLS);
    // At the next level a row begins where two begin.
    expect(foldsOf(layout.rows({ first: 0, shift: 1 }, ROOM))).toEqual([1, 249, 1, 1, 248]);
  });

  it("are all, of an empty window of 128 TiB", () => {
    expect(foldsOf(layoutOf(HUGE, []).fit(ROOM))).toEqual([HUGE / ROW_CELLS]);
  });

  it("can be opened", () => {
    const pages = 100 * ROW_CELLS;
    const rows = new RowLayout([[0, 1]], pages, [{ first: ROW_CELLS, end: pages }]).rows(
      { first: 0, shift: 0 },
      ROOM,
    );
    expect(foldsOf(rows)).toEqual(Array.from({ length: ROOM }, () => 1));
  });

  it("make room for a finer level", () => {
    const used = [
      [7, 2],
      [HUGE - 9, 3],
    ] as const;
    const rows = layoutOf(HUGE, used).fit(ROOM);
    expect(rows.shift).toBe(0);
    expect(foldsOf(rows)).toEqual([1, HUGE / ROW_CELLS - 2, 1]);
  });

  it("leave no room empty while there is anything above", () => {
    const layout = layoutOf(100 * ROW_CELLS, [[0, 100 * ROW_CELLS]]);
    const rows = layout.rows({ first: 99 * ROW_CELLS, shift: 0, row: 0 }, ROOM);
    expect([rows.starts[0], rowsEnd(rows)]).toEqual([84 * ROW_CELLS, 100 * ROW_CELLS]);
  });

  it(`cover a space without a gap at every level, seed ${seed}`, () => {
    const random = new Random(seed);
    for (let i = 0; i < 40; i++) {
      const pages = 1 + random.below(2 ** 24);
      const used = Array.from({ length: random.below(30) }, () => {
        const first = random.below(pages);
        return [first, 1 + random.below(Math.min(5000, pages - first))] as const;
      });
      const layout = layoutOf(pages, used);
      for (const shift of [0, 1, 4, 9]) {
        const rows = layout.rows({ first: random.below(pages), shift, row: random.below(ROOM) }, 2 ** 20);
        for (let row = 1; row < rows.starts.length; row++)
          same(rows.starts[row], rowEnd(rows, row - 1), () => `row ${row}`);
        expect(rows.starts[0]).toBe(0);
        expect(rowsEnd(rows)).toBeGreaterThanOrEqual(pages);
        for (const [first, count] of used) {
          for (const page of [first, first + count - 1]) {
            same(rows.folds[rowOfPage(rows, page)], 1);
            same(pageOfCell(rows, cellOfPage(rows, page)!) <= page, true, () => `page ${page}`);
            same(
              Math.abs(pageAtPlace(rows, placeOfPage(rows, page)) - page) <= 1,
              true,
              () => `page ${page}`,
            );
          }
        }
      }
    }
  });
});
