import { placeOfPage, rowsEnd } from "../maths/heat-rows.ts";
import type { HeatRows, LifeLines } from "../protocol.ts";

/** Lines that are drawn at most. */
const MAX_LINES = 40_000;

/** A stretch of events and of pages, and how many places a picture of it has. */
export interface LifePlan {
  readonly from: number;
  readonly to: number;
  readonly rows: HeatRows;
  readonly columns: number;
  readonly height: number;
}

/** Takes mappings. */
export interface LifeTaker {
  /** Those that ended before this event are not asked for. */
  readonly from: number;
  /**
   * @param start event that mapped it, -1 before the recording
   * @param end event that unmapped it, Infinity if none did
   */
  add(start: number, end: number, first: number, pages: number): void;
}

/** Log2 of the places in the table that finds lines: some for each line, so that few look at the same one. */
const SLOT_BITS = 17;

/**
 * Collects mappings for a picture: those that fall on the same place are one line, which says how many they are. So a
 * picture has no more lines than it can show, and no mapping is left out.
 */
export class LifePicture implements LifeTaker {
  readonly #plan: LifePlan;
  /** Pages `[first, end)` of the picture. */
  readonly #first: number;
  readonly #end: number;
  /** Columns that one event takes. */
  readonly #scale: number;
  /** Rows of places: few enough for lines that ended and lines that did not in each, if there is one column. */
  readonly #height: number;
  /** Numbers of lines, counted from 1, by their keys. */
  readonly #slots = new Uint32Array(2 ** SLOT_BITS);
  readonly #keys = new Float64Array(MAX_LINES + 1);
  readonly #starts = new Float64Array(MAX_LINES + 1);
  readonly #ends = new Float64Array(MAX_LINES + 1);
  readonly #firsts = new Float64Array(MAX_LINES + 1);
  readonly #pages = new Float64Array(MAX_LINES + 1);
  readonly #counts = new Uint32Array(MAX_LINES + 1);
  #count = 0;
  #all = 0;
  /** Log2 of the columns that are one for the keys: it grows when there are too many lines. */
  #coarse = 0;

  constructor(plan: LifePlan) {
    this.#plan = plan;
    this.#first = plan.rows.starts[0] ?? 0;
    this.#end = rowsEnd(plan.rows);
    this.#scale = plan.columns / Math.max(1, plan.to - plan.from);
    this.#height = Math.min(plan.height, MAX_LINES / 4);
  }

  /** First event of the picture. */
  get from(): number {
    return this.#plan.from;
  }

  add(start: number, end: number, first: number, pages: number): void {
    const { from, to } = this.#plan;
    if (end < from || start > to || first >= this.#end || first + pages <= this.#first) return;
    this.#all++;
    this.#put(start, end, first, pages, 1);
    // Lines of which none share a place with columns twice as wide stay as many.
    while (this.#count > MAX_LINES) this.#coarsen();
  }

  get lines(): LifeLines {
    const count = this.#count;
    return {
      starts: this.#starts.slice(0, count),
      ends: this.#ends.slice(0, count),
      firsts: this.#firsts.slice(0, count),
      pages: this.#pages.slice(0, count),
      counts: this.#counts.slice(0, count),
      count,
      all: this.#all,
    };
  }

  /** Adds so many mappings to the line of their place: of their row, and of their first and last column. */
  #put(start: number, end: number, first: number, pages: number, count: number): void {
    const { columns } = this.#plan;
    const down = this.#down(first + pages / 2);
    const x0 = this.#column(start);
    const x1 = end === Number.POSITIVE_INFINITY ? columns + 2 : this.#column(end);
    const key = (down * (columns + 4) + x0) * (columns + 4) + x1;
    const mixed = Math.imul(down, 0x9e3779b1) ^ Math.imul(x0, 0x85ebca6b) ^ Math.imul(x1, 0xc2b2ae35);
    let slot = (mixed ^ (mixed >>> SLOT_BITS)) & (2 ** SLOT_BITS - 1);
    let line = this.#slots[slot]! - 1;
    while (line >= 0 && this.#keys[line] !== key) {
      slot = (slot + 1) & (2 ** SLOT_BITS - 1);
      line = this.#slots[slot]! - 1;
    }
    if (line < 0) {
      line = this.#count++;
      this.#slots[slot] = line + 1;
      this.#keys[line] = key;
      this.#starts[line] = start;
      this.#ends[line] = end;
      this.#firsts[line] = first;
      this.#pages[line] = pages;
      this.#counts[line] = count;
      return;
    }
    const low = this.#firsts[line]!;
    const last = Math.max(low + this.#pages[line]!, first + pages);
    if (first < low) this.#firsts[line] = first;
    if (start < this.#starts[line]!) this.#starts[line] = start;
    if (end > this.#ends[line]!) this.#ends[line] = end;
    this.#pages[line] = last - Math.min(low, first);
    this.#counts[line]! += count;
  }

  #column(event: number): number {
    const { from, columns } = this.#plan;
    const at = Math.max(0, Math.min(columns, (event - from) * this.#scale));
    return (Math.floor(at) + 1) >>> this.#coarse;
  }

  #down(middle: number): number {
    const { rows } = this.#plan;
    const height = this.#height;
    const place = placeOfPage(rows, middle) / Math.max(1, rows.starts.length);
    return Math.max(0, Math.min(height, Math.floor(place * height)));
  }

  /** Puts the lines together anew, with columns twice as wide. */
  #coarsen(): void {
    const { starts, ends, firsts, pages, counts, count } = this.lines;
    this.#coarse++;
    this.#count = 0;
    this.#slots.fill(0);
    for (let i = 0; i < count; i++) this.#put(starts[i]!, ends[i]!, firsts[i]!, pages[i]!, counts[i]!);
  }
}
