/** Looks at a file's size that are remembered; of more, every second one is forgotten. */
const MAX_LOOKS = 256;

/**
 * How far the reader of a log is behind who writes it.
 *
 * @public
 */
export interface Lag {
  /** Bytes that are written and not yet read. */
  readonly bytes: number;
  /** How long ago the next byte to be read was seen to be there. */
  readonly seconds: number;
}

/** A look at a file's size, at a time in milliseconds. */
interface Look {
  readonly size: number;
  readonly at: number;
}

/** Remembers when a file was seen to have how many bytes. */
export class ReadLag {
  /** Sizes that are not yet read, each larger than the one before. */
  #looks: Look[] = [];
  /** The last one that was larger. */
  #last: Look = { size: 0, at: 0 };
  /** Time between two that are remembered, at least. */
  #step = 1;

  seen(size: number, now: number): void {
    if (size <= this.#last.size) return;
    this.#last = { size, at: now };
    if (now < (this.#looks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) + this.#step) return;
    this.#looks.push(this.#last);
    if (this.#looks.length <= MAX_LOOKS) return;
    this.#step *= 2;
    this.#looks = this.#looks.filter((_, i) => i % 2 === 0);
  }

  /** To be called when another file is read. */
  reset(): void {
    this.#looks = [];
    this.#last = { size: 0, at: 0 };
    this.#step = 1;
  }

  /** @param offset bytes that were read */
  at(offset: number, now: number): Lag {
    const bytes = Math.max(0, this.#last.size - offset);
    const read = this.#looks.findIndex(({ size }) => size > offset);
    this.#looks.splice(0, read < 0 ? this.#looks.length : read);
    if (bytes === 0) {
      this.#step = 1;
      return { bytes, seconds: 0 };
    }
    const { at } = this.#looks[0] ?? this.#last;
    return { bytes, seconds: Math.round(now - at) / 1000 };
  }
}
