import { GrowingRows, type Numbers } from "../../base/growing-rows.ts";
import { TWO32 } from "../../base/u64.ts";
import { permOf } from "../../tce/tce.ts";
import type { RunValue, WriteVisitor, WrittenStretch } from "./written.ts";

/** What a row does. */
const VALUE = 1;
const SURE = 2;
const STEP = 4;
const STORED = 8;
const MADE = 16;
const ENDED = 32;
const COUNTED = 64;
/** It has more words than a row. */
const WIDE = 128;
const [SURE_SHIFT, SPAN_SHIFT] = [8, 10];

/** What a usual call does to one entry, of which we are sure (0) from then on. */
const PUT = VALUE | SURE | STORED;

/**
 * Words of a row: what it does, how sure we are from then on, and the span of the window stand in one. The last one is the low half of a
 * value, who mapped what ended (a row that does both stores 0), or what else there is to say.
 */
const [EVENT, KIND, FIRST, WORD, WORDS] = [0, 1, 2, 3, 4];

/** Where a row of one entry and of a word does not do: that is where its last word says. */
const [COUNT, LOW, HIGH, MORE_WORDS] = [0, 1, 2, 3];

/** log2 of the entries of which the newest row is known while rows are replayed. */
const NEWEST_BITS = 14;

/**
 * What events wrote into the tables of windows, in order, and which mappings ended by it: enough to have any state between two
 * that are kept, all lifetimes, and how many entries were valid. Nearly every call is one row of 16 bytes: memory that is
 * written first costs more than what writes it.
 */
export class EntryWrites {
  readonly #rows: GrowingRows = GrowingRows.u32(WORDS);
  readonly #more: GrowingRows = GrowingRows.u32(MORE_WORDS);
  /** While rows are replayed: some entries, each at a place that it says, and the newest row of each, counted from 1. */
  readonly #entries = new Float64Array(2 ** NEWEST_BITS);
  readonly #newest = new Uint32Array(2 ** NEWEST_BITS);
  /** The places that are taken. */
  readonly #taken: number[] = [];

  get length(): number {
    return this.#rows.length;
  }

  /** A usual call stored one entry. */
  put(event: number, span: number, index: number, hi: number, lo: number): void {
    if (hi === 0) this.#push(event, span, index, PUT, lo);
    else this.#pushMore({ event, span, first: index, count: 1 }, PUT, lo, hi);
  }

  /** A usual call emptied one entry, which another event had mapped. */
  unmap(event: number, span: number, index: number, start: number): void {
    this.#push(event, span, index, PUT | ENDED, start);
  }

  /** A usual call stored entries, and we are so sure of them. */
  stored(where: WrittenStretch, value: RunValue, certainty: number): void {
    this.#value(where, value, PUT | (certainty << SURE_SHIFT));
  }

  /** Entries hold values; nothing else changes of them. */
  value(where: WrittenStretch, value: RunValue): void {
    this.#value(where, value, VALUE);
  }

  /** How sure we are of entries. */
  sure(where: WrittenStretch, certainty: number): void {
    this.#pushMore(where, SURE | (certainty << SURE_SHIFT), 0);
  }

  /** @param made the event that changed entries last */
  made(where: WrittenStretch, made: number): void {
    this.#pushMore(where, MADE, made);
  }

  /**
   * A mapping ends.
   *
   * @param start event that mapped it; `BEFORE_ALL`
   */
  ended(where: WrittenStretch, start: number): void {
    this.#pushMore(where, ENDED, start);
  }

  /** So many entries of a window are valid: to be said where the rows before do not add up to it. */
  counted(event: number, span: number, valid: number): void {
    this.#push(event, span, 0, COUNTED, valid);
  }

  #value(where: WrittenStretch, { hi, lo, step }: RunValue, what: number): void {
    this.#pushMore(where, step === 0 ? what : what | STEP, lo, hi);
  }

  #pushMore({ event, span, first, count }: WrittenStretch, what: number, low: number, high = 0): void {
    if (count === 1 && high === 0) {
      this.#push(event, span, first, what, low);
      return;
    }
    this.#push(event, span, first, what | WIDE, this.#more.length);
    const at = this.#more.add();
    const { numbers } = this.#more;
    numbers[at + COUNT] = count;
    numbers[at + LOW] = low;
    numbers[at + HIGH] = high;
  }

  #push(event: number, span: number, first: number, what: number, word: number): void {
    const at = this.#rows.add();
    const { numbers } = this.#rows;
    numbers[at + EVENT] = event;
    numbers[at + KIND] = (span << SPAN_SHIFT) | what;
    numbers[at + FIRST] = first;
    numbers[at + WORD] = word;
  }

  /** The rows `[first, end)` of the events `from` to `to`. */
  rowsOf(from: number, to: number): readonly [first: number, end: number] {
    return [this.#rows.below(from, EVENT), this.#rows.upTo(to, EVENT)];
  }

  /** Visits the mappings of a window that ended, by the rows `[first, end)`. */
  forEachEnded(
    span: number,
    [first, end]: readonly [first: number, end: number],
    visit: (first: number, count: number, start: number, end: number) => void,
  ): void {
    this.#rows.forEachPiece(first, end, (numbers, from, to) => {
      for (let at = from; at < to; at += WORDS) {
        const kind = numbers[at + KIND]!;
        if ((kind & ENDED) === 0 || kind >>> SPAN_SHIFT !== span) continue;
        visit(
          numbers[at + FIRST]!,
          this.#countOf(numbers, at),
          this.#lowOf(numbers, at),
          numbers[at + EVENT]!,
        );
      }
    });
  }

  /**
   * Visits what the rows from one on up to those of an event do; returns the number of the row after them. Of usual calls on one
   * entry only the last one counts: a driver goes around in the same ones.
   */
  replay(from: number, event: number, visitor: WriteVisitor): number {
    const end = Math.max(from, this.#rows.upTo(event, EVENT));
    let row = from;
    this.#rows.forEachPiece(from, end, (numbers, first, to) => {
      for (let at = first; at < to; at += WORDS) this.#replay(numbers, at, row++, visitor);
    });
    this.#replayNewest(visitor);
    return end;
  }

  #replay(numbers: Numbers, at: number, row: number, visitor: WriteVisitor): void {
    const kind = numbers[at + KIND]!;
    const what = kind & ~(ENDED | WIDE) & ((1 << SPAN_SHIFT) - 1);
    if (what !== PUT || this.#countOf(numbers, at) !== 1) {
      if ((kind & (VALUE | SURE | MADE)) === 0) return;
      this.#replayNewest(visitor);
      this.#replayRow(numbers, at, visitor);
      return;
    }
    const first = numbers[at + FIRST]!;
    const entry = (kind >>> SPAN_SHIFT) * TWO32 + first;
    const place = Math.imul(first, 0x9e3779b1) >>> (32 - NEWEST_BITS);
    const before = this.#newest[place]!;
    if (before === 0) this.#taken.push(place);
    else if (this.#entries[place] !== entry) this.#replayAt(before - 1, visitor);
    this.#entries[place] = entry;
    this.#newest[place] = row + 1;
  }

  #replayNewest(visitor: WriteVisitor): void {
    if (this.#taken.length === 0) return;
    for (const place of this.#taken) {
      this.#replayAt(this.#newest[place]! - 1, visitor);
      this.#newest[place] = 0;
    }
    this.#taken.length = 0;
  }

  #replayAt(row: number, visitor: WriteVisitor): void {
    this.#rows.forEachPiece(row, row + 1, (numbers, at) => this.#replayRow(numbers, at, visitor));
  }

  #replayRow(numbers: Numbers, at: number, visitor: WriteVisitor): void {
    const kind = numbers[at + KIND]!;
    const span = kind >>> SPAN_SHIFT;
    const first = numbers[at + FIRST]!;
    const count = this.#countOf(numbers, at);
    const low = this.#lowOf(numbers, at);
    if ((kind & VALUE) !== 0) {
      const isEmpty = (kind & ENDED) !== 0;
      const step = (kind & STEP) === 0 ? 0 : 1;
      visitor.value(span, first, count, this.#highOf(numbers, at), isEmpty ? 0 : low, step);
    }
    if ((kind & SURE) !== 0) visitor.sure(span, first, count, (kind >>> SURE_SHIFT) & 3);
    if ((kind & STORED) !== 0) visitor.made(span, first, count, numbers[at + EVENT]!);
    if ((kind & MADE) !== 0) visitor.made(span, first, count, low);
  }

  /**
   * Visits how many entries of a window are valid after each row that changes it, from a row on; what counts of an event is the last one.
   *
   * @param valid of each span, which is brought up to date
   * @returns the number of the row after the last one
   */
  count(from: number, valid: number[], visit: (event: number, span: number, valid: number) => void): number {
    const end = this.#rows.length;
    this.#rows.forEachPiece(from, end, (numbers, first, to) => {
      for (let at = first; at < to; at += WORDS) {
        const span = numbers[at + KIND]! >>> SPAN_SHIFT;
        const before = valid[span] ?? 0;
        const after = this.#validAfter(numbers, at, before);
        if (after === before) continue;
        valid[span] = after;
        visit(numbers[at + EVENT]!, span, after);
      }
    });
    return end;
  }

  #validAfter(numbers: Numbers, at: number, before: number): number {
    const kind = numbers[at + KIND]!;
    if ((kind & COUNTED) !== 0) return numbers[at + WORD]!;
    if ((kind & ENDED) !== 0) return before - this.#countOf(numbers, at);
    const isValid = (kind & VALUE) !== 0 && permOf(this.#lowOf(numbers, at)) !== 0;
    return isValid ? before + this.#countOf(numbers, at) : before;
  }

  #countOf(numbers: Numbers, at: number): number {
    return isWide(numbers, at) ? this.#more.at(numbers[at + WORD]!, COUNT) : 1;
  }

  #lowOf(numbers: Numbers, at: number): number {
    const word = numbers[at + WORD]!;
    return isWide(numbers, at) ? this.#more.at(word, LOW) : word;
  }

  #highOf(numbers: Numbers, at: number): number {
    return isWide(numbers, at) ? this.#more.at(numbers[at + WORD]!, HIGH) : 0;
  }
}

const isWide = (numbers: Numbers, at: number): boolean => (numbers[at + KIND]! & WIDE) !== 0;
