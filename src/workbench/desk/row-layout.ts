import { ROW_CELLS, wholeShift } from "../maths/heat-grid.ts";
import type { HeatRows, HeatView } from "../protocol.ts";
import type { PageRange } from "./contents.ts";
import { joined, type Stretch } from "./used-rows.ts";

/** Fewer empty rows than these are not folded: that would hide more than it saves. */
const FEW = 4;

/** One row of the picture: a row, or some that are folded. */
interface Item {
  readonly first: number;
  readonly count: number;
}

/** Which rows of a space a heat map shows, at any level: long stretches that were never used are one row. */
export class RowLayout {
  /** Rows of 64 pages that are used, as stretches `[first, end)` in order. */
  readonly #used: readonly Stretch[];
  readonly #pages: number;

  /** @param open stretches of pages that are not folded */
  constructor(used: readonly Stretch[], pages: number, open: readonly PageRange[] = []) {
    const opened = open.map(
      ({ first, end }) => [Math.floor(first / ROW_CELLS), Math.ceil(end / ROW_CELLS)] as const,
    );
    this.#used = open.length === 0 ? used : joined([...used, ...opened]);
    this.#pages = pages;
  }

  /** The rows of a view: as many as there is room for, less if the space has less. */
  rows({ first, shift, row = 0 }: HeatView, room: number): HeatRows {
    const all = this.#rowsAt(shift);
    const at = Math.max(0, Math.min(all - 1, Math.floor(first / (ROW_CELLS * 2 ** shift))));
    let item = this.#item(at, shift, all);
    const items = [item];
    for (let above = 0; above < row && item.first > 0; above++) {
      item = this.#item(item.first - 1, shift, all);
      items.unshift(item);
    }
    for (item = items.at(-1)!; items.length < room && item.first + item.count < all; ) {
      item = this.#item(item.first + item.count, shift, all);
      items.push(item);
    }
    // No room stays empty at the end as long as something is above.
    for (item = items[0]!; items.length < room && item.first > 0; ) {
      item = this.#item(item.first - 1, shift, all);
      items.unshift(item);
    }
    return rowsOf(items, shift);
  }

  /** The rows of the finest level at which all of the space has room. */
  fit(room: number): HeatRows {
    let found = this.#all(wholeShift(this.#pages, room), room);
    for (let shift = found.shift - 1; shift >= 0; shift--) {
      const rows = this.#all(shift, room + 1);
      if (rows.starts.length > room) break;
      found = rows;
    }
    return found;
  }

  #all(shift: number, room: number): HeatRows {
    return this.rows({ first: 0, shift }, room);
  }

  #rowsAt(shift: number): number {
    return Math.max(1, Math.ceil(this.#pages / (ROW_CELLS * 2 ** shift)));
  }

  #item(row: number, shift: number, all: number): Item {
    const size = 2 ** shift;
    // The first stretch that ends behind the beginning of this row.
    const next = this.#firstEndingAfter(row * size);
    const stretch = this.#used[next];
    if (stretch !== undefined && stretch[0] < (row + 1) * size) return { first: row, count: 1 };
    const before = this.#used[next - 1];
    const first = before === undefined ? 0 : Math.ceil(before[1] / size);
    const end = stretch === undefined ? all : Math.floor(stretch[0] / size);
    return end - first < FEW ? { first: row, count: 1 } : { first, count: end - first };
  }

  #firstEndingAfter(row: number): number {
    let [low, high] = [0, this.#used.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#used[middle]![1] > row) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function rowsOf(items: readonly Item[], shift: number): HeatRows {
  const size = ROW_CELLS * 2 ** shift;
  return {
    shift,
    starts: Float64Array.from(items, ({ first }) => first * size),
    folds: Float64Array.from(items, ({ count }) => count),
  };
}
