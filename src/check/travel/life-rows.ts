import { GrowingRows } from "../../base/growing-rows.ts";

/** The start of what was mapped before the recording began, or by nobody knows which event. */
export const BEFORE_ALL: number = 2 ** 32 - 1;

const [SPAN, FIRST, COUNT, START, END, WORDS] = [0, 1, 2, 3, 4, 5];

/** Mappings that ended, in the order of their ends: pieces of a window (a span) that one event mapped and another unmapped. */
export class LifeRows {
  readonly #rows = GrowingRows.u32(WORDS);

  get length(): number {
    return this.#rows.length;
  }

  /** @param start event that mapped it; {@link BEFORE_ALL} */
  push(span: number, first: number, count: number, start: number, end: number): void {
    const at = this.#rows.add();
    const { numbers } = this.#rows;
    numbers[at + SPAN] = span;
    numbers[at + FIRST] = first;
    numbers[at + COUNT] = count;
    numbers[at + START] = start;
    numbers[at + END] = end;
  }

  span(row: number): number {
    return this.#rows.at(row, SPAN);
  }

  first(row: number): number {
    return this.#rows.at(row, FIRST);
  }

  count(row: number): number {
    return this.#rows.at(row, COUNT);
  }

  start(row: number): number {
    return this.#rows.at(row, START);
  }

  end(row: number): number {
    return this.#rows.at(row, END);
  }

  /** The first row that ends at an event or after it. */
  firstEndingFrom(event: number): number {
    return this.#rows.below(event, END);
  }
}
