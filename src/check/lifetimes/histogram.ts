import { hiOfNumber, log2Of, loOfNumber } from "../../base/u64.ts";

/**
 * Counts of values by powers of two: cell `i` has those from 2^i on, below 2^(i+1); the first has 0 as well.
 *
 * @public
 */
export class Histogram {
  readonly cells: number[] = [];

  add(value: number, times = 1): void {
    // A logarithm is rounded: that of 2^49 - 1 is 49.
    const cell = value < 1 ? 0 : log2Of(hiOfNumber(value), loOfNumber(value));
    while (this.cells.length <= cell) this.cells.push(0);
    this.cells[cell]! += times;
  }
}
