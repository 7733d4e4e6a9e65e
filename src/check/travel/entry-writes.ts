import { Column } from "./column.ts";

/** What an {@link EntryWrites} row does. */
const VALUE = 1;
const SURE = 2;
const STEP = 4;
const STORED = 8;
const MADE = 16;
const [SURE_SHIFT, SPAN_SHIFT] = [5, 7];

/** Takes the rows of {@link EntryWrites}. */
export interface WriteVisitor {
  /**
   * Entries take values, the first of them `(hi, lo)`.
   *
   * @param step 1: each further one is a page size more; 0: all are the same
   */
  value(span: number, first: number, count: number, hi: number, lo: number, step: number): void;
  /** We are so sure of entries. */
  sure(span: number, first: number, count: number, certainty: number): void;
  /** It was that event that changed entries last. */
  made(span: number, first: number, count: number, event: number): void;
}

/**
 * What events wrote into the tables of windows, in order: enough to have any state between two that are kept. 24 bytes a
 * row, and a call of one page is one row.
 */
export class EntryWrites {
  readonly #events: Column = Column.u32();
  /** What it does, how sure we are from then on, and the span of the window. */
  readonly #kinds: Column = Column.u32();
  readonly #firsts: Column = Column.u32();
  readonly #counts: Column = Column.u32();
  readonly #his: Column = Column.u32();
  readonly #los: Column = Column.u32();

  get length(): number {
    return this.#events.length;
  }

  /**
   * One entry, and how sure we are of it.
   *
   * @param isStored by the event; else it was there before, and the event shows it
   */
  put(
    event: number,
    span: number,
    index: number,
    hi: number,
    lo: number,
    certainty: number,
    isStored: boolean,
  ): void {
    const stored = isStored ? STORED : 0;
    this.#push(event, span, index, 1, hi, lo, VALUE | SURE | stored | (certainty << SURE_SHIFT));
  }

  run(event: number, span: number, first: number, count: number, hi: number, lo: number, step: number): void {
    this.#push(event, span, first, count, hi, lo, step === 0 ? VALUE : VALUE | STEP);
  }

  sure(event: number, span: number, first: number, count: number, certainty: number): void {
    this.#push(event, span, first, count, 0, 0, SURE | (certainty << SURE_SHIFT));
  }

  /** @param made the event that changed entries last */
  made(event: number, span: number, first: number, count: number, made: number): void {
    this.#push(event, span, first, count, made, 0, MADE);
  }

  #push(
    event: number,
    span: number,
    first: number,
    count: number,
    hi: number,
    lo: number,
    kind: number,
  ): void {
    this.#events.push(event);
    this.#kinds.push((span << SPAN_SHIFT) | kind);
    this.#firsts.push(first);
    this.#counts.push(count);
    this.#his.push(hi);
    this.#los.push(lo);
  }

  /** Visits the rows from one on up to those of an event; returns the number of the row after them. */
  replay(from: number, event: number, visitor: WriteVisitor): number {
    let row = from;
    for (; row < this.length && this.#events.at(row) <= event; row++) {
      const kind = this.#kinds.at(row);
      const span = kind >>> SPAN_SHIFT;
      const first = this.#firsts.at(row);
      const count = this.#counts.at(row);
      const hi = this.#his.at(row);
      if ((kind & VALUE) !== 0)
        visitor.value(span, first, count, hi, this.#los.at(row), (kind & STEP) === 0 ? 0 : 1);
      if ((kind & SURE) !== 0) visitor.sure(span, first, count, (kind >>> SURE_SHIFT) & 3);
      if ((kind & STORED) !== 0) visitor.made(span, first, count, this.#events.at(row));
      if ((kind & MADE) !== 0) visitor.made(span, first, count, hi);
    }
    return row;
  }
}
