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

  /** Visits the rows `[first, end)` that are of a span, with the numbers that {@link push} got. */
  forEachOf(
    span: number,
    [first, end]: readonly [first: number, end: number],
    visit: (first: number, count: number, start: number, end: number) => void,
  ): void {
    this.#rows.forEachPiece(first, end, (numbers, from, to) => {
      for (let at = from; at < to; at += WORDS) {
        if (numbers[at + SPAN] !== span) continue;
        visit(numbers[at + FIRST]!, numbers[at + COUNT]!, numbers[at + START]!, numbers[at + END]!);
      }
    });
  }

  /** The rows `[first, end)` that end at the events `from` to `to`. */
  endingIn(from: number, to: number): readonly [first: number, end: number] {
    return [this.#rows.below(from, END), this.#rows.upTo(to, END)];
  }
}
