import { type FoundWords, RUN_BASE, RUN_FROM, RUN_RECORDS, RUN_WORDS } from "./found-lines.ts";
import { type LineMatcher, makeLineMatcher, NEXT, NEXT_RECORD, type Note } from "./line-matcher.ts";

const NEWLINE = 0x0a;

/** Bytes of a text in which lines are looked for at a time. */
const WINDOW = 2 ** 16;

/** Fewer lines in a row are read in the usual way in less time than a run of them takes (docs/speed.md). */
const FEWEST = 8;

/** Finds lines in the chunks of a text for the reader of another thread, as its matcher would. */
export class LineFinder {
  #matcher: LineMatcher | undefined;
  #canFind = true;
  #generation = 0;
  /** Lines have heads once one was kept. */
  #hasHeads = false;
  #beginsLine = true;
  readonly #fewest: number;

  /** @param fewest lines that are a run */
  constructor(fewest: number = FEWEST) {
    this.#fewest = fewest;
  }

  /** Does what the reader's matcher did. Where there can be no second matcher, nothing is found. */
  learn(notes: readonly Note[]): void {
    if (notes.length === 0 || !this.#canFind) return;
    this.#matcher ??= makeLineMatcher();
    this.#canFind = this.#matcher !== undefined;
    for (const note of notes) {
      if (note.kind === "forget") this.#generation = note.generation;
      if (note.kind === "head") this.#hasHeads = true;
      this.#matcher?.follow(note);
    }
  }

  /**
   * Finds lines in the next chunk.
   *
   * @param makeBuffer makes a buffer for what is found; what does not fit in it is not found
   * @returns undefined if nothing can be found
   */
  find(chunk: Uint8Array, makeBuffer: () => ArrayBuffer): FoundWords | undefined {
    const first = this.#beginsLine ? 0 : chunk.indexOf(NEWLINE) + 1;
    const beginsLine = this.#beginsLine || first > 0;
    if (chunk.length > 0) this.#beginsLine = chunk.at(-1) === NEWLINE;
    if (this.#matcher === undefined || !beginsLine) return undefined;
    const buffer = makeBuffer();
    const length = this.#findFrom(this.#matcher, chunk, first, new Uint32Array(buffer));
    return { buffer, length, generation: this.#generation };
  }

  /** Finds lines from where one begins on; returns how many words were written. */
  #findFrom(matcher: LineMatcher, chunk: Uint8Array, first: number, words: Uint32Array): number {
    let length = 0;
    for (let base = first; base < chunk.length; ) {
      const window = chunk.subarray(base, base + WINDOW);
      const end = window.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        matcher.text.set(window.subarray(0, end));
        length = this.#findIn(matcher, base, end, words, length);
        base += end;
      } else {
        // A line that is so long is not looked for.
        const newline = chunk.indexOf(NEWLINE, base + window.length);
        if (newline < 0) break;
        base = newline + 1;
      }
    }
    return length;
  }

  /** Finds lines in what the matcher has, which is the chunk's text from `base` on; returns how many words there are then. */
  #findIn(matcher: LineMatcher, base: number, end: number, words: Uint32Array, written: number): number {
    const { records, text } = matcher;
    let length = written;
    for (let from = 0; from < end; ) {
      const stop = matcher.findLines(from, end, this.#hasHeads);
      let next = from;
      let lines = 0;
      for (let record = 0; record < stop; record = records[record + NEXT_RECORD]!) {
        next = records[record + NEXT]!;
        lines++;
      }
      if (lines >= this.#fewest) {
        const end = length + RUN_RECORDS + stop;
        if (end > words.length) break;
        words[length + RUN_FROM] = base + from;
        words[length + RUN_BASE] = base;
        words[length + RUN_WORDS] = stop;
        words.set(records.subarray(0, stop), length + RUN_RECORDS);
        length = end;
      }
      const isLookedFor = next < end && records[stop + NEXT] === 0;
      from = isLookedFor ? text.indexOf(NEWLINE, next) + 1 : next;
    }
    return length;
  }
}
