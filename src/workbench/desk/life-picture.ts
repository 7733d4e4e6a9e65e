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

/**
 * Collects mappings for a picture: those that fall on the same place are one line, which says how many they are. So a
 * picture has no more lines than it can show, and no mapping is left out.
 */
export class LifePicture implements LifeTaker {
  readonly #plan: LifePlan;
  readonly #first: number;
  readonly #end: number;
  readonly #places = new Map<number, number>();
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #firsts: number[] = [];
  readonly #pages: number[] = [];
  readonly #counts: number[] = [];
  #all = 0;
  /** Places that are one for the map: they grow when there are too many lines. */
  #coarse = 1;

  constructor(plan: LifePlan) {
    this.#plan = plan;
    this.#first = plan.rows.starts[0] ?? 0;
    this.#end = rowsEnd(plan.rows);
  }

  /** First event of the picture. */
  get from(): number {
    return this.#plan.from;
  }

  add(start: number, end: number, first: number, pages: number): void {
    const plan = this.#plan;
    if (end < plan.from || start > plan.to || first >= this.#end || first + pages <= this.#first) return;
    this.#all++;
    const key = this.#keyOf(start, end, first, pages);
    const there = this.#places.get(key);
    if (there === undefined) {
      this.#places.set(key, this.#starts.length);
      this.#starts.push(start);
      this.#ends.push(end);
      this.#firsts.push(first);
      this.#pages.push(pages);
      this.#counts.push(1);
      if (this.#starts.length > MAX_LINES) this.#coarsen();
      return;
    }
    const last = Math.max(this.#firsts[there]! + this.#pages[there]!, first + pages);
    this.#starts[there] = Math.min(this.#starts[there]!, start);
    this.#ends[there] = Math.max(this.#ends[there]!, end);
    this.#firsts[there] = Math.min(this.#firsts[there]!, first);
    this.#pages[there] = last - this.#firsts[there]!;
    this.#counts[there]!++;
  }

  get lines(): LifeLines {
    return {
      starts: Float64Array.from(this.#starts),
      ends: Float64Array.from(this.#ends),
      firsts: Float64Array.from(this.#firsts),
      pages: Float64Array.from(this.#pages),
      counts: Uint32Array.from(this.#counts),
      count: this.#starts.length,
      all: this.#all,
    };
  }

  /** The place of a mapping: its first and last column and its row. */
  #keyOf(start: number, end: number, first: number, pages: number): number {
    const { from, to, rows, columns, height } = this.#plan;
    const column = (event: number): number =>
      Math.floor(
        (Math.max(0, Math.min(columns, ((event - from) * columns) / Math.max(1, to - from))) + 1) /
          this.#coarse,
      );
    const x0 = column(start);
    const x1 = end === Number.POSITIVE_INFINITY ? columns + 2 : column(end);
    const place = placeOfPage(rows, first + pages / 2) / Math.max(1, rows.starts.length);
    const y = Math.max(0, Math.min(height, Math.floor(place * height)));
    return (y * (columns + 4) + x0) * (columns + 4) + x1;
  }

  #coarsen(): void {
    this.#coarse *= 2;
    const rows = this.#starts.map((start, i) => ({
      start,
      end: this.#ends[i]!,
      first: this.#firsts[i]!,
      pages: this.#pages[i]!,
      count: this.#counts[i]!,
    }));
    for (const list of [this.#starts, this.#ends, this.#firsts, this.#pages, this.#counts]) list.length = 0;
    this.#places.clear();
    const all = this.#all;
    for (const { start, end, first, pages, count } of rows) {
      this.add(start, end, first, pages);
      const there = this.#places.get(this.#keyOf(start, end, first, pages))!;
      this.#counts[there]! += count - 1;
    }
    this.#all = all;
  }
}
