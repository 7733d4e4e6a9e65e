import { GrowingRows } from "../../base/growing-rows.ts";
import { hiOf, loOf, pageOf, toBig } from "../../base/u64.ts";
import type { Life, LifeCall, LifeStretch } from "../lives/life.ts";
import { BEFORE_ALL } from "./written.ts";

/** Words of a mapping: those that may be absent are one more than they are. */
const [END, SPACE, ACCESS, CALL, TASK, PID, CPU, MADE, NANOSECONDS, STRETCHES, ENTRIES, FLAGS, WORDS] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];
const [INFERRED, TRUNCATED, IS_MADE] = [1, 2, 4];
const [LINE, SECONDS, NUMBERS] = [0, 1, 2];
/** Words of consecutive addresses; the last one says whether the memory behind them is known. */
const [FIRST, LAST, TARGET, HAS_TARGET, STRETCH_WORDS] = [0, 2, 4, 6, 7];

/** The callers of an event, as {@link LifeCall.stack} has them. */
export type StackOf = (event: number) => readonly string[] | undefined;

/** Texts that occur again and again, each with a number. */
class Texts {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  number(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#texts.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  text(number: number): string {
    return this.#texts[number]!;
  }
}

/**
 * Mappings of Linux as rows of numbers: a tenth of what the objects take. One that is asked for is made anew, and is equal to
 * what was put in.
 */
export class LifeStore {
  readonly #stackOf: StackOf;
  readonly #texts = new Texts();
  readonly #words: GrowingRows = GrowingRows.u32(WORDS);
  readonly #numbers: GrowingRows = GrowingRows.f64(NUMBERS);
  readonly #stretches: GrowingRows = GrowingRows.u32(STRETCH_WORDS);
  readonly #entries: GrowingRows = GrowingRows.u32(2);

  constructor(stackOf: StackOf) {
    this.#stackOf = stackOf;
  }

  get length(): number {
    return this.#words.length;
  }

  /** Keeps a mapping; they come in the order of their numbers. */
  push({ space, access, made, stretches, entries, inferred, truncated }: Life): void {
    const at = this.#words.add();
    const { numbers: words } = this.#words;
    words[at + END] = BEFORE_ALL;
    words[at + SPACE] = this.#texts.number(space);
    words[at + ACCESS] = this.#texts.number(access);
    words[at + STRETCHES] = this.#stretches.length;
    words[at + ENTRIES] = this.#entries.length;
    words[at + FLAGS] =
      (inferred ? INFERRED : 0) | (truncated ? TRUNCATED : 0) | (made === undefined ? 0 : IS_MADE);
    const numbersAt = this.#numbers.add();
    if (made !== undefined) {
      words[at + CALL] = this.#texts.number(made.name);
      words[at + TASK] = made.task === undefined ? 0 : this.#texts.number(made.task) + 1;
      words[at + PID] = (made.pid ?? -1) + 1;
      words[at + CPU] = (made.cpu ?? -1) + 1;
      words[at + MADE] = made.event;
      words[at + NANOSECONDS] = made.nanoseconds;
      this.#numbers.numbers[numbersAt + LINE] = made.line;
      this.#numbers.numbers[numbersAt + SECONDS] = made.seconds;
    }
    for (const stretch of stretches) this.#pushStretch(stretch);
    for (const entry of entries) {
      const place = this.#entries.add();
      put(this.#entries, place, entry);
    }
  }

  #pushStretch({ first, last, target }: LifeStretch): void {
    const at = this.#stretches.add();
    put(this.#stretches, at + FIRST, first);
    put(this.#stretches, at + LAST, last);
    if (target === undefined) return;
    put(this.#stretches, at + TARGET, target);
    this.#stretches.numbers[at + HAS_TARGET] = 1;
  }

  /** A mapping ends by an event. */
  end(number: number, event: number): void {
    this.#words.set(number, event);
  }

  /** The event that unmapped it; {@link BEFORE_ALL} if none did. */
  endOf(number: number): number {
    return this.#words.at(number, END);
  }

  /** The event that mapped it; -1 if the recording does not have it. */
  startOf(number: number): number {
    return this.#has(number, IS_MADE) ? this.#words.at(number, MADE) : -1;
  }

  /**
   * Visits what those of the mappings `[from, to)` that are of a space have mapped, in their order.
   *
   * @param shift log2 of the bytes of a page
   */
  forEachPages(
    space: string,
    shift: number,
    { from, to }: { readonly from: number; readonly to: number },
    visit: (number: number, first: number, pages: number) => void,
  ): void {
    const wanted = this.#texts.number(space);
    const rows = this.#stretches;
    for (let number = from; number < to; number++) {
      if (this.#words.at(number, SPACE) !== wanted) continue;
      const end = this.#endIn(number, STRETCHES, rows);
      for (let row = this.#words.at(number, STRETCHES); row < end; row++) {
        const first = pageOf(rows.at(row, FIRST), rows.at(row, FIRST + 1), shift);
        const last = pageOf(rows.at(row, LAST), rows.at(row, LAST + 1), shift);
        visit(number, first, last - first + 1);
      }
    }
  }

  /** A mapping as it was put in. */
  life(number: number): Life {
    const words = this.#words;
    const stretches: LifeStretch[] = [];
    const endOfStretches = this.#endIn(number, STRETCHES, this.#stretches);
    for (let row = words.at(number, STRETCHES); row < endOfStretches; row++)
      stretches.push(this.#stretch(row));
    const entries: bigint[] = [];
    const endOfEntries = this.#endIn(number, ENTRIES, this.#entries);
    for (let row = words.at(number, ENTRIES); row < endOfEntries; row++)
      entries.push(bigAt(this.#entries, row, 0));
    return {
      number,
      space: this.#texts.text(words.at(number, SPACE)),
      stretches,
      bytes: stretches.reduce((sum, { first, last }) => sum + last - first + 1n, 0n),
      access: this.#texts.text(words.at(number, ACCESS)),
      made: this.#has(number, IS_MADE) ? this.#call(number) : undefined,
      inferred: this.#has(number, INFERRED),
      entries,
      truncated: this.#has(number, TRUNCATED),
    };
  }

  #stretch(row: number): LifeStretch {
    const rows = this.#stretches;
    const target = rows.at(row, HAS_TARGET) === 1 ? bigAt(rows, row, TARGET) : undefined;
    return { first: bigAt(rows, row, FIRST), last: bigAt(rows, row, LAST), target, repeats: undefined };
  }

  #call(number: number): LifeCall {
    const words = this.#words;
    const event = words.at(number, MADE);
    const optional = (place: number): number | undefined => {
      const value = words.at(number, place);
      return value === 0 ? undefined : value - 1;
    };
    const task = optional(TASK);
    const stackOf = this.#stackOf;
    return {
      name: this.#texts.text(words.at(number, CALL)),
      event,
      line: this.#numbers.at(number, LINE),
      seconds: this.#numbers.at(number, SECONDS),
      nanoseconds: words.at(number, NANOSECONDS),
      cpu: optional(CPU),
      pid: optional(PID),
      task: task === undefined ? undefined : this.#texts.text(task),
      get stack() {
        return stackOf(event);
      },
    };
  }

  #has(number: number, flag: number): boolean {
    return (this.#words.at(number, FLAGS) & flag) !== 0;
  }

  /** Where the rows of a mapping end: those of the next one begin there. */
  #endIn(number: number, place: number, rows: GrowingRows): number {
    return number + 1 < this.length ? this.#words.at(number + 1, place) : rows.length;
  }
}

/** Puts a value into two words of the row that was added last. */
function put(rows: GrowingRows, at: number, value: bigint): void {
  const { numbers } = rows;
  numbers[at] = hiOf(value);
  numbers[at + 1] = loOf(value);
}

const bigAt = (rows: GrowingRows, row: number, place: number): bigint =>
  toBig(rows.at(row, place), rows.at(row, place + 1));
