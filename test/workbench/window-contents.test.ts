import { describe, expect, it } from "vitest";
import { Certainty } from "../../src/check/rebuild/rebuilt-window.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { emptyCells } from "../../src/workbench/desk/contents.ts";
import { RowLayout } from "../../src/workbench/desk/row-layout.ts";
import { type ShownWindow, WindowContents } from "../../src/workbench/desk/window-contents.ts";
import type { Row } from "../../src/workbench/protocol.ts";
import { Random } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";
import { times } from "../helpers/some.ts";

const ENTRIES = 2 ** 17;
const SHIFT = 16;

/** A window with mappings of any length, here and there, of which some are inferred and some are unknown. */
function windowOf(random: Random): ShownWindow {
  const table = new TceTable({ length: ENTRIES, pageShift: SHIFT });
  const certainties = new TceTable({ length: ENTRIES, pageShift: 0 });
  const since = new TceTable({ length: ENTRIES, pageShift: 0 });
  for (let i = random.below(3000); i > 0; i--) {
    const first = random.below(ENTRIES);
    const count = Math.min(ENTRIES - first, random.chance(0.9) ? 1 : 1 + random.below(300));
    table.putRun(first, count, 0, (random.below(2 ** 10) * 2 ** SHIFT) | (1 + random.below(3)));
    since.fill(first, count, 1 + random.below(5000), 3);
    if (random.chance(0.1))
      certainties.fill(first, count, 0, random.chance(0.5) ? Certainty.INFERRED : Certainty.UNKNOWN);
  }
  return {
    liobn: 0x8000_0001,
    busOffset: 0x800_0000_0000_0000n,
    pageShift: SHIFT,
    entries: ENTRIES,
    bypass: false,
    defaultWindow: false,
    assumedParts: [],
    assumed: false,
    isGuess: false,
    table,
    certainties,
    since,
  };
}

describe("what is in a window", () => {
  it("has the first rows of a range, and counts the pages behind them", () => {
    const random = new Random(1);
    for (let round = 0; round < times(6, 25); round++) {
      const contents = new WindowContents(windowOf(random));
      for (let i = 0; i < 8; i++) {
        const first = random.chance(0.3) ? 0 : random.below(ENTRIES);
        const end = random.chance(0.3) ? ENTRIES + 5 : first + random.below(ENTRIES);
        const limit = random.below(200);
        const all: Row[] = [];
        contents.forEachRow({ first, end }, (row) => all.push(row));
        const more = all.slice(limit).reduce((sum, { pages }) => sum + pages, 0);
        expect(contents.rows({ first, end }, limit)).toEqual({ rows: all.slice(0, limit), more });
      }
    }
  });

  it("has each page in its cell, at any level", () => {
    const random = new Random(2);
    for (let round = 0; round < times(4, 10); round++) {
      const window = windowOf(random);
      const shift = random.below(9);
      const layout = new RowLayout([[0, ENTRIES / 64]], ENTRIES);
      const cells = emptyCells(0, layout.rows({ first: random.below(ENTRIES), shift }, 40), false);
      new WindowContents(window).fill(cells, "age");
      for (let cell = 0; cell < cells.mapped.length; cell++) {
        const first = cells.starts[Math.floor(cell / 64)]! + (cell % 64) * 2 ** shift;
        let [mapped, newest] = [0, -1];
        for (let page = first; page < Math.min(ENTRIES, first + 2 ** shift); page++) {
          if ((window.table.get(page) & 3n) !== 0n) mapped++;
          newest = Math.max(newest, Number(window.since!.get(page) >> 32n) - 1);
        }
        same(cells.mapped[cell], mapped, () => `mapped in cell ${cell}`);
        same(cells.since[cell], newest, () => `since of cell ${cell}`);
      }
    }
  });
});
