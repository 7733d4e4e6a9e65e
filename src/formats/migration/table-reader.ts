import { type PageStep, pageStep } from "../../base/page-step.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { type ByteCursor, u32At } from "./byte-cursor.ts";
import type { TableBudget } from "./table-budget.ts";
import { firstNonZero } from "./zero-scan.ts";

const ENTRY_BYTES = 8;
/** Entries handed to the table at a time; a leaf of the table holds as many. */
const BLOCK = 512;
const MIN_SHIFT = 12;

/**
 * Reads the entries of one TCE table into a sparse one.
 *
 * Stretches of zeros are passed over as bytes. The page size stands after the
 * entries in the stream, but decides what a run is; so it is guessed from the
 * first entries that follow each other, and a wrong guess, which costs memory
 * within the budget but never an entry, is put right at the end.
 */
export class TableReader {
  readonly #entries: number;
  readonly #budget: TableBudget;
  readonly #words = new Uint32Array(2 * BLOCK);
  #table: TceTable;
  #page: PageStep;
  #guessed = false;
  /** Offset in the stream of the first entry. */
  #offset = 0;
  // The entry before, to know where a run ends; zero stands for "none".
  #index = 0;
  #hi = 0;
  #lo = 0;

  constructor(entries: number, budget: TableBudget) {
    this.#entries = entries;
    this.#budget = budget;
    budget.begin();
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
      this.#bookRuns(index, count);
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

  /** Books the runs that begin in the block; the run of the block before may go on in it. */
  #bookRuns(index: number, count: number): void {
    const words = this.#words;
    const page = this.#page;
    let hi = index === this.#index + 1 ? this.#hi : 0;
    let lo = index === this.#index + 1 ? this.#lo : 0;
    for (let word = 0; word < 2 * count; word += 2) {
      const nextHi = words[word]!;
      const nextLo = words[word + 1]!;
      const same = hi === nextHi && lo === nextLo;
      if ((hi | lo) === 0 || (!same && !page.follows(hi, lo, 1, nextHi, nextLo))) {
        const first = index + word / 2;
        this.#budget.spend(first, this.#offset + first * ENTRY_BYTES);
      }
      hi = nextHi;
      lo = nextLo;
    }
    this.#index = index + count - 1;
    this.#hi = hi;
    this.#lo = lo;
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
      for (let i = first; i < first + count; i++) this.#budget.spend(i, this.#offset + i * ENTRY_BYTES);
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
