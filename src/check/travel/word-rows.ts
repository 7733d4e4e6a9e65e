/** Rows of a piece: growing copies nothing. */
const ROWS = 2 ** 14;
const [SHIFT, IN_PIECE] = [14, ROWS - 1];

/** Rows of so many words of 32 bits, of which there are only ever more. */
export class WordRows {
  readonly #width: number;
  readonly #pieces: Uint32Array[] = [];
  #last: Uint32Array = new Uint32Array(0);
  #length = 0;

  constructor(width: number) {
    this.#width = width;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a row of zeros, and returns where its words begin in {@link words}. */
  add(): number {
    const row = this.#length++ & IN_PIECE;
    if (row === 0) {
      this.#last = new Uint32Array(ROWS * this.#width);
      this.#pieces.push(this.#last);
    }
    return row * this.#width;
  }

  /** The words of the row that was added last, and of some before it. */
  get words(): Uint32Array {
    return this.#last;
  }

  /** A word of a row that is there. */
  at(row: number, word: number): number {
    return this.#pieces[row >>> SHIFT]![(row & IN_PIECE) * this.#width + word]!;
  }

  set(row: number, word: number, value: number): void {
    this.#pieces[row >>> SHIFT]![(row & IN_PIECE) * this.#width + word] = value;
  }

  /** The first row with a word of at least `value`, if none is less than the one before it. */
  firstFrom(word: number, value: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle, word) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
