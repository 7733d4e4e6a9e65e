import type { LineMatcher, Notes } from "./line-matcher.ts";

// Words before the records of a run of lines: where its first line begins; where the text begins that positions in its records
// are of; and how many words its records have.
export const FROM = 0;
export const BASE = 1;
export const STOP = 2;
export const RUN_HEAD = 3;

/** What was found in a chunk of a text, on its way between threads: runs of lines, one after the other. */
export interface FoundWords {
  readonly buffer: ArrayBuffer;
  readonly length: number;
  /** Of the numbers in the records; see {@link Notes}. */
  readonly generation: number;
}

/** What was found in a chunk, for the matcher of which the numbers are in it. */
export class FoundLines {
  /** Runs of lines: {@link FROM}, {@link BASE} and {@link STOP} of each, and its records, as {@link LineMatcher.findLines} writes them. */
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
