/** Rows of a piece: growing by pieces copies nothing. */
const ROWS = 2 ** 14;
const [SHIFT, IN_PIECE] = [14, ROWS - 1];
/** Rows that the first piece has room for at first; it is copied as it grows, since most lists are short. */
const FIRST_ROWS = 2 ** 8;

/** Numbers of one kind. */
export type Numbers = Uint32Array | Float64Array;

/** Rows of so many numbers of one kind, of which there are only ever more; with one number a row, a growing list. */
export class GrowingRows {
  readonly #width: number;
  readonly #make: (length: number) => Numbers;
  readonly #pieces: Numbers[] = [];
  #last: Numbers;
  #length = 0;
  /** Where in the last piece the next row begins, and how many numbers that has room for. */
  #next = 0;
  #room = 0;

  private constructor(width: number, make: (length: number) => Numbers) {
    this.#width = width;
    this.#make = make;
    this.#last = make(0);
  }

  /** Of numbers below 2^32. */
  static u32(width = 1): GrowingRows {
    return new GrowingRows(width, (length) => new Uint32Array(length));
  }

  static f64(width = 1): GrowingRows {
    return new GrowingRows(width, (length) => new Float64Array(length));
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a row of zeros, and returns where its numbers begin in {@link numbers}. */
  add(): number {
    if (this.#next === this.#room) this.#grow();
    const at = this.#next;
    this.#next += this.#width;
    this.#length++;
    return at;
  }

  #grow(): void {
    if (this.#next === this.#width * ROWS || this.#pieces.length === 0) {
      this.#last = this.#make((this.#pieces.length === 0 ? FIRST_ROWS : ROWS) * this.#width);
      this.#pieces.push(this.#last);
      this.#next = 0;
    } else this.#growFirst();
    this.#room = this.#last.length;
  }

  #growFirst(): void {
    const first = this.#make(this.#last.length * 2);
    first.set(this.#last);
    this.#last = first;
    this.#pieces[0] = first;
  }

  /** Adds a row that begins with a number. */
  push(value: number): void {
    const at = this.add();
    this.#last[at] = value;
  }

  /** The numbers of the row that was added last, and of some before it. */
  get numbers(): Numbers {
    return this.#last;
  }

  /** A number of a row that is there. */
  at(row: number, place = 0): number {
    return this.#pieces[row >>> SHIFT]![(row & IN_PIECE) * this.#width + place]!;
  }

  set(row: number, value: number, place = 0): void {
    this.#pieces[row >>> SHIFT]![(row & IN_PIECE) * this.#width + place] = value;
  }

  /**
   * Visits the numbers of the rows `[first, end)`, those of one piece at once.
   *
   * @param visit gets the numbers of a piece, and where in them those of the rows begin and end
   */
  forEachPiece(
    first: number,
    end: number,
    visit: (numbers: Numbers, from: number, to: number) => void,
  ): void {
    for (let row = first; row < end; ) {
      const next = Math.min(end, (row | IN_PIECE) + 1);
      const from = (row & IN_PIECE) * this.#width;
      visit(this.#pieces[row >>> SHIFT]!, from, from + (next - row) * this.#width);
      row = next;
    }
  }

  /** How many rows have a number of at most `value`, if none is less than the one before it. */
  upTo(value: number, place = 0): number {
    return this.#search(place, (number) => number <= value);
  }

  /** How many rows have a number below `value`, if none is less than the one before it. */
  below(value: number, place = 0): number {
    return this.#search(place, (number) => number < value);
  }

  #search(place: number, isBefore: (number: number) => boolean): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.at(middle, place))) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
