import { type PageStep, pageStep } from "../../base/page-step.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { type ByteCursor, streamLimit, u32At } from "./byte-cursor.ts";
import { firstNonZero } from "./zero-scan.ts";

/**
 * Runs that all tables of a stream may have together, by default: sixteen
 * default windows in which no two entries belong together. A run takes 8 bytes
 * where such entries stand side by side, and 270 (measured) where each is
 * alone in its node: 1.1 GiB at the worst.
 */
export const DEFAULT_RUN_LIMIT: number = 2 ** 22;

const ENTRY_BYTES = 8;
/** Entries handed to the table at a time; a leaf of the table holds as many. */
const BLOCK = 512;
const MIN_SHIFT = 12;

/** Counts the runs of all tables of a stream against a limit. */
export class RunBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** @param offset where in the stream the runs are */
  spend(runs: number, offset: number): void {
    this.#used += runs;
    if (this.#used > this.limit) {
      throw streamLimit(offset, `the TCE tables have more than ${this.limit} runs by here`);
    }
  }
}

/**
 * Reads the entries of one TCE table into a sparse one.
 *
 * Stretches of zeros are passed over as bytes. The page size stands behind the
 * entries in the stream, but decides what a run is; so it is guessed from the
 * first entries that follow each other, and a wrong guess, which costs memory
 * within the budget but never an entry, is put right at the end.
 */
export class TableReader {
  readonly #entries: number;
  readonly #budget: RunBudget;
  readonly #words = new Uint32Array(2 * BLOCK);
  #table: TceTable;
  #page: PageStep;
  #guessed = false;
  /** Offset in the stream of the first entry. */
  #offset = 0;
  // The entry before, to tell where a run ends; zero stands for "none".
  #index = 0;
  #hi = 0;
  #lo = 0;

  constructor(entries: number, budget: RunBudget) {
    this.#entries = entries;
    this.#budget = budget;
    this.#table = new TceTable({ length: entries, pageShift: MIN_SHIFT });
    this.#page = this.#table.page;
  }

  /** Reads all entries, as many at a time as the source has ready. */
  async read(cursor: ByteCursor): Promise<void> {
    this.#offset = cursor.offset;
    for (let index = 0; index < this.#entries; ) {
      if (cursor.available < ENTRY_BYTES) await cursor.need(ENTRY_BYTES, "a TCE table");
      const count = Math.min(this.#entries - index, Math.floor(cursor.available / ENTRY_BYTES));
      const end = cursor.at + count * ENTRY_BYTES;
      this.#take(cursor.bytes, cursor.at, end, index);
      cursor.at = end;
      index += count;
    }
  }

  /** The table, with the page size that the stream has for it. (`TceTable.from` makes one that can be changed.) */
  finish(pageShift: number): TceView {
    if (this.#page.shift !== pageShift) this.#reshape(pageShift);
    return this.#table.snapshot();
  }

  /** Stores the entries in `[from, end)` of a chunk, of which the first is entry `first`. */
  #take(bytes: Uint8Array, from: number, end: number, first: number): void {
    for (let at = from; ; ) {
      const zeros = Math.floor((firstNonZero(bytes, at, end) - at) / ENTRY_BYTES);
      at += zeros * ENTRY_BYTES;
      if (at === end) return;
      const index = first + (at - from) / ENTRY_BYTES;
      const count = this.#decode(bytes, at, end);
      if (!this.#guessed && count > 1) this.#guess(count);
      this.#budget.spend(this.#countRuns(index, count), this.#offset + index * ENTRY_BYTES);
      this.#table.putList(index, this.#words, count);
      at += count * ENTRY_BYTES;
    }
  }

  /** Decodes entries into the block until one is zero; returns how many. */
  #decode(bytes: Uint8Array, from: number, end: number): number {
    const words = this.#words;
    const stop = Math.min(end, from + BLOCK * ENTRY_BYTES);
    let word = 0;
    for (let at = from; at < stop; at += ENTRY_BYTES, word += 2) {
      const hi = u32At(bytes, at);
      const lo = u32At(bytes, at + 4);
      if ((hi | lo) === 0) break;
      words[word] = hi;
      words[word + 1] = lo;
    }
    return word / 2;
  }

  /** Runs that begin in the block; the run of the block before may go on in it. */
  #countRuns(index: number, count: number): number {
    const words = this.#words;
    const page = this.#page;
    let hi = index === this.#index + 1 ? this.#hi : 0;
    let lo = index === this.#index + 1 ? this.#lo : 0;
    let runs = 0;
    for (let word = 0; word < 2 * count; word += 2) {
      const nextHi = words[word]!;
      const nextLo = words[word + 1]!;
      const same = hi === nextHi && lo === nextLo;
      if ((hi | lo) === 0 || (!same && !page.follows(hi, lo, 1, nextHi, nextLo))) runs++;
      hi = nextHi;
      lo = nextLo;
    }
    this.#index = index + count - 1;
    this.#hi = hi;
    this.#lo = lo;
    return runs;
  }

  /** Takes the power of two by which most neighbours in the block differ for the page size. */
  #guess(count: number): void {
    const words = this.#words;
    const votes = new Map<number, number>();
    for (let word = 2; word < 2 * count; word += 2) {
      const step = (words[word]! - words[word - 2]!) * 2 ** 32 + (words[word + 1]! - words[word - 1]!);
      const shift = Math.log2(step);
      if (Number.isInteger(shift) && shift >= MIN_SHIFT && shift < 64)
        votes.set(shift, (votes.get(shift) ?? 0) + 1);
    }
    let [best, most] = [MIN_SHIFT, 0];
    for (const [shift, number] of votes) if (number > most) [best, most] = [shift, number];
    this.#guessed = most > 0;
    if (this.#guessed && best !== this.#page.shift) this.#reshape(best);
  }

  /** Stores the same entries in a table of another page size, in which what grew by a page no longer does. */
  #reshape(pageShift: number): void {
    const old = this.#table;
    const table = new TceTable({ length: old.length, pageShift });
    const words = new Uint32Array(2 * BLOCK);
    old.forEachStoredRun(0, old.length, (first, count, hi, lo, step) => {
      if (step === 0) {
        table.fill(first, count, hi, lo);
        return;
      }
      this.#budget.spend(count, this.#offset + first * ENTRY_BYTES);
      for (let done = 0; done < count; done += BLOCK) {
        const part = Math.min(BLOCK, count - done);
        for (let i = 0; i < part; i++) {
          words[2 * i] = old.page.addHi(hi, lo, done + i);
          words[2 * i + 1] = old.page.addLo(lo, done + i);
        }
        table.putList(first + done, words, part);
      }
    });
    this.#table = table;
    this.#page = pageStep(pageShift);
  }
}
