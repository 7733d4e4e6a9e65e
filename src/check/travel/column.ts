/** Elements of a piece of a column: growing copies nothing. */
const PIECE = 2 ** 16;
const [SHIFT, IN_PIECE] = [16, PIECE - 1];

type Numbers = Uint32Array | Float64Array;

/** A list of numbers of one kind that only gets longer. */
export class Column {
  readonly #make: (length: number) => Numbers;
  readonly #pieces: Numbers[] = [];
  #last: Numbers;
  #length = 0;

  private constructor(make: (length: number) => Numbers) {
    this.#make = make;
    this.#last = make(0);
  }

  static u32(): Column {
    return new Column((length) => new Uint32Array(length));
  }

  static f64(): Column {
    return new Column((length) => new Float64Array(length));
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    const at = this.#length++ & IN_PIECE;
    if (at === 0) {
      this.#last = this.#make(PIECE);
      this.#pieces.push(this.#last);
    }
    this.#last[at] = value;
  }

  /** The element at an index that is there. */
  at(index: number): number {
    return this.#pieces[index >>> SHIFT]![index & IN_PIECE]!;
  }

  set(index: number, value: number): void {
    this.#pieces[index >>> SHIFT]![index & IN_PIECE] = value;
  }

  /** How many elements are at most `value`, if none is less than the one before it. */
  upTo(value: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
