import { GrowingRows, type Numbers } from "../../base/growing-rows.ts";

/** What a row does. */
const VALUE = 1;
const SURE = 2;
const STEP = 4;
const STORED = 8;
const MADE = 16;
const [SURE_SHIFT, SPAN_SHIFT] = [5, 7];

/** Words of a row: what it does, how sure we are from then on, and the span of the window stand in one. */
const [EVENT, KIND, FIRST, COUNT, HI, LO, WORDS] = [0, 1, 2, 3, 4, 5, 6];

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

/** Entries of a window that an event wrote, or showed. One object is filled anew for each row. */
export class WrittenEntries {
  event = 0;
  span = 0;
  first = 0;
  count = 1;
  /** Value of the first of them. */
  hi = 0;
  lo = 0;
  /** 1: each further one is a page size more; 0: all are the same. */
  step = 0;
}

/**
 * What events wrote into the tables of windows, in order: enough to have any state between two that are kept. 24 bytes a
 * row, and a call is one or two rows.
 */
export class EntryWrites {
  readonly #rows: GrowingRows = GrowingRows.u32(WORDS);

  get length(): number {
    return this.#rows.length;
  }

  /**
   * Entries, and how sure we are of all of them.
   *
   * @param isStored by the event; else they were there before, and the event shows them
   */
  put(written: WrittenEntries, certainty: number, isStored: boolean): void {
    const what = isStored ? VALUE | SURE | STORED : VALUE | SURE;
    this.#push(written, what | (certainty << SURE_SHIFT));
  }

  /** Entries, of which nothing else changes. */
  value(written: WrittenEntries): void {
    this.#push(written, VALUE);
  }

  /** How sure we are of entries. */
  sure(event: number, span: number, first: number, count: number, certainty: number): void {
    const at = this.#place(event, span, SURE | (certainty << SURE_SHIFT));
    const { numbers } = this.#rows;
    numbers[at + FIRST] = first;
    numbers[at + COUNT] = count;
  }

  /** @param made the event that changed entries last */
  made(event: number, span: number, first: number, count: number, made: number): void {
    const at = this.#place(event, span, MADE);
    const { numbers } = this.#rows;
    numbers[at + FIRST] = first;
    numbers[at + COUNT] = count;
    numbers[at + HI] = made;
  }

  #push({ event, span, first, count, hi, lo, step }: WrittenEntries, what: number): void {
    const at = this.#place(event, span, step === 0 ? what : what | STEP);
    const { numbers } = this.#rows;
    numbers[at + FIRST] = first;
    numbers[at + COUNT] = count;
    numbers[at + HI] = hi;
    numbers[at + LO] = lo;
  }

  #place(event: number, span: number, what: number): number {
    const at = this.#rows.add();
    const { numbers } = this.#rows;
    numbers[at + EVENT] = event;
    numbers[at + KIND] = (span << SPAN_SHIFT) | what;
    return at;
  }

  /** Visits the rows from one on up to those of an event; returns the number of the row after them. */
  replay(from: number, event: number, visitor: WriteVisitor): number {
    const end = Math.max(from, this.#rows.upTo(event, EVENT));
    this.#rows.forEachPiece(from, end, (numbers, first, to) => {
      for (let at = first; at < to; at += WORDS) replayRow(numbers, at, visitor);
    });
    return end;
  }
}

function replayRow(numbers: Numbers, at: number, visitor: WriteVisitor): void {
  const kind = numbers[at + KIND]!;
  const span = kind >>> SPAN_SHIFT;
  const first = numbers[at + FIRST]!;
  const count = numbers[at + COUNT]!;
  const hi = numbers[at + HI]!;
  if ((kind & VALUE) !== 0)
    visitor.value(span, first, count, hi, numbers[at + LO]!, (kind & STEP) === 0 ? 0 : 1);
  if ((kind & SURE) !== 0) visitor.sure(span, first, count, (kind >>> SURE_SHIFT) & 3);
  if ((kind & STORED) !== 0) visitor.made(span, first, count, numbers[at + EVENT]!);
  if ((kind & MADE) !== 0) visitor.made(span, first, count, hi);
}
