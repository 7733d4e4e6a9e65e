/** Rows of a piece: growing copies nothing. */
const ROWS = 2 ** 14;
const [SHIFT, IN_PIECE] = [14, ROWS - 1];

/** Rows of so many numbers, of which there are only ever more. */
export class NumberRows {
  readonly #width: number;
  readonly #pieces: Float64Array[] = [];
  #last: Float64Array = new Float64Array(0);
  #length = 0;

  constructor(width: number) {
    this.#width = width;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a row of zeros, and returns where its numbers begin in {@link numbers}. */
  add(): number {
    const row = this.#length++ & IN_PIECE;
    if (row === 0) {
      this.#last = new Float64Array(ROWS * this.#width);
      this.#pieces.push(this.#last);
    }
    return row * this.#width;
  }

  /** The numbers of the row that was added last, and of some before it. */
  get numbers(): Float64Array {
    return this.#last;
  }

  /** A number of a row that is there. */
  at(row: number, number: number): number {
    return this.#pieces[row >>> SHIFT]![(row & IN_PIECE) * this.#width + number]!;
  }

  /** The first row with a number of at least `value`, if none is less than the one before it. */
  firstFrom(number: number, value: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle, number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many rows have a number of at most `value`. */
  upTo(number: number, value: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle, number) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
