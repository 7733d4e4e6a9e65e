import { BASE, type FoundWords, FROM, RUN_HEAD, STOP } from "./found-lines.ts";
import { type Kept, LineMatcher, NEXT, NEXT_RECORD } from "./line-matcher.ts";

const NEWLINE = 0x0a;

/** Bytes of a text in which lines are looked for at a time. */
const WINDOW = 2 ** 16;

/** Fewer lines in a row are read in the usual way in less time than a run of them takes. */
const FEWEST = 8;

/** Finds lines in the chunks of a text, as a matcher would that kept the same as another one did. */
export class LineFinder {
  #matcher: LineMatcher | undefined;
  #generation = 0;
  /** Lines have heads once one was kept. */
  #hasHeads = false;
  #beginsLine = true;
  readonly #fewest: number;

  /** @param fewest lines that are a run */
  constructor(fewest: number = FEWEST) {
    this.#fewest = fewest;
  }

  /** Keeps what the other one kept. */
  learn(kept: readonly Kept[]): void {
    if (kept.length === 0) return;
    this.#matcher ??= new LineMatcher();
    for (const one of kept) {
      if (one.kind === "forget") this.#generation++;
      if (one.kind === "head") this.#hasHeads = true;
      this.#matcher.follow(one);
    }
  }

  /**
   * Finds lines in the next chunk.
   *
   * @param makeBuffer makes a buffer for what is found; what does not fit in it is not found
   * @returns undefined if there is nothing yet that could be found
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
        // Of a line that is so long none is like it.
        const newline = chunk.indexOf(NEWLINE, base + window.length);
        if (newline < 0) break;
        base = newline + 1;
      }
    }
    return length;
  }

  /** Finds lines in what the matcher has, which is the chunk's text from `base` on; returns how many words there are then. */
  #findIn(matcher: LineMatcher, base: number, end: number, words: Uint32Array, start: number): number {
    const { records, text } = matcher;
    let length = start;
    for (let from = 0; from < end; ) {
      const stop = matcher.findLines(from, end, this.#hasHeads);
      let next = from;
      let lines = 0;
      for (let record = 0; record < stop; record = records[record + NEXT_RECORD]!) {
        next = records[record + NEXT]!;
        lines++;
      }
      if (lines >= this.#fewest) {
        if (length + RUN_HEAD + stop > words.length) break;
        words[length + FROM] = base + from;
        words[length + BASE] = base;
        words[length + STOP] = stop;
        words.set(records.subarray(0, stop), length + RUN_HEAD);
        length += RUN_HEAD + stop;
      }
      const isLookedFor = next < end && records[stop + NEXT] === 0;
      from = isLookedFor ? text.indexOf(NEWLINE, next) + 1 : next;
    }
    return length;
  }
}
