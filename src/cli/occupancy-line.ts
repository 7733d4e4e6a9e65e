import process from "node:process";
import { formatSize } from "../base/units.ts";
import type { AddressRange } from "../check/lives/life.ts";
import { Certainty, forEachCertainty } from "../check/rebuild/rebuilt-window.ts";
import type { WindowState } from "../check/state/window-state.ts";
import { permOf } from "../tce/tce.ts";
import { isAsciiLocale, outputWidth } from "./terminal.ts";

/** Cells of a line, where there is room. */
const MOST_CELLS = 64;
/** Columns that what stands before and behind the cells may take. */
const MARGIN = 26;
/** Cells with something mapped, from a single page to all of them. */
const BLOCKS = "▁▂▃▄▅▆▇█";
const ASCII_BLOCKS = ".:-=+*%#";

/** A line of cells, each of which stands for as many pages. */
class Cells {
  readonly #pages: number;
  readonly #size: number;
  readonly #mapped: Float64Array;
  readonly #unknown: Uint8Array;

  /** @param pages of the whole line */
  constructor(pages: number) {
    const most = Math.max(1, Math.min(MOST_CELLS, outputWidth() - MARGIN));
    this.#pages = pages;
    this.#size = Math.ceil(pages / most);
    const cells = Math.ceil(pages / this.#size);
    this.#mapped = new Float64Array(cells);
    this.#unknown = new Uint8Array(cells);
  }

  /** Pages `[first, first + count)` are mapped. */
  map(first: number, count: number): void {
    this.#forEach(first, count, (cell, pages) => {
      this.#mapped[cell]! += pages;
    });
  }

  /** Nobody knows what is in pages. */
  doubt(first: number, count: number): void {
    this.#forEach(first, count, (cell) => {
      this.#unknown[cell] = 1;
    });
  }

  #forEach(first: number, count: number, visit: (cell: number, pages: number) => void): void {
    const size = this.#size;
    for (let at = first; at < first + count; ) {
      const cell = Math.floor(at / size);
      const next = Math.min(first + count, (cell + 1) * size);
      visit(cell, next - at);
      at = next;
    }
  }

  text(pageBytes: number): string {
    const blocks = isAsciiLocale(process.env) ? ASCII_BLOCKS : BLOCKS;
    const cells = Array.from(this.#mapped, (mapped, cell) => {
      if (mapped === 0) return this.#unknown[cell] === 1 ? "?" : " ";
      const size = Math.min(this.#size, this.#pages - cell * this.#size);
      // Only what is full looks full, and nothing that is mapped looks empty.
      return blocks[Math.min(blocks.length - 1, Math.floor((mapped / size) * (blocks.length - 1)))]!;
    });
    return `[${cells.join("")}] ${formatSize(this.#size * pageBytes)} a cell`;
  }
}

/**
 * How full a window is, from its first address to its last one, as one line: a single page that is mapped shows in any
 * window, and `?` is where nothing is known to be mapped and something is unknown. Costs what is mapped.
 */
export function windowLine({ table, certainties, entries, pageShift }: WindowState): string {
  const cells = new Cells(entries);
  forEachCertainty(certainties, 0, entries, (from, length, certainty) => {
    if (certainty === Certainty.UNKNOWN) cells.doubt(from, length);
    else
      table.forEachStoredRun(from, from + length, (first, count, _hi, lo) => {
        if (permOf(lo) !== 0) cells.map(first, count);
      });
  });
  return cells.text(2 ** pageShift);
}

/** Pages that addresses of a device are counted by. */
const PAGE_SHIFT = 12;

/** The same of addresses that are mapped, from the lowest to the highest of them. */
export function rangesLine(ranges: readonly AddressRange[]): string {
  const pageOf = (address: bigint): number => Number(address >> BigInt(PAGE_SHIFT));
  const pages = ranges.map(({ first, last }) => [pageOf(first), pageOf(last) + 1] as const);
  const start = pages.reduce((least, [first]) => Math.min(least, first), Number.POSITIVE_INFINITY);
  const end = pages.reduce((most, [, behind]) => Math.max(most, behind), 0);
  const cells = new Cells(end - start);
  let done = start;
  // A page that two mappings share is one page.
  for (const [first, behind] of pages.toSorted(([a], [b]) => a - b)) {
    const from = Math.max(first, done);
    if (behind > from) cells.map(from - start, behind - from);
    done = Math.max(done, behind);
  }
  return cells.text(2 ** PAGE_SHIFT);
}
