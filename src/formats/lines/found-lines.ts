import type { LineMatcher, Notes } from "./line-matcher.ts";

// Words of a run of lines: where the first one begins; where the text begins that positions in its records are of; how many
// words the records have, and these.
export const RUN_FROM = 0;
export const RUN_BASE = 1;
export const RUN_WORDS = 2;
export const RUN_RECORDS = 3;

/** What was found in a chunk of a text, on its way between threads: runs of lines, one after the other. */
export interface FoundWords {
  readonly buffer: ArrayBuffer;
  readonly length: number;
  /** Of the {@link Notes}, when this was found. */
  readonly generation: number;
}

/** What was found in a chunk, for the matcher of which the numbers are in it. */
export class FoundLines {
  /** Runs of lines: {@link RUN_FROM}, {@link RUN_BASE} and {@link RUN_WORDS} of each, and its records, as {@link LineMatcher.findLines} writes them. */
  readonly words: Uint32Array;
  readonly #generation: number;
  readonly #matcher: LineMatcher;
  readonly #notes: Notes;

  /** @param notes that were followed by whoever found this */
  constructor({ buffer, length, generation }: FoundWords, matcher: LineMatcher, notes: Notes) {
    this.words = new Uint32Array(buffer, 0, length);
    this.#generation = generation;
    this.#matcher = matcher;
    this.#notes = notes;
  }

  /** Do the numbers still mean what they meant? */
  get isCurrent(): boolean {
    return this.#matcher.notes === this.#notes && this.#notes.generation === this.#generation;
  }
}
