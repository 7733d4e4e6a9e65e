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

/** Lines of a chunk, one after the other, that were found. */
export interface Run {
  /** Where the first one begins. */
  readonly from: number;
  /** Where the text begins that positions in {@link records} are of. */
  readonly base: number;
  /** As {@link LineMatcher.findLines} writes them. */
  readonly records: Uint32Array;
}

/** What was found in a chunk, for the matcher of which the numbers are in it. */
export class FoundLines {
  readonly #words: Uint32Array;
  readonly #generation: number;
  readonly #matcher: LineMatcher;
  readonly #notes: Notes;

  /** @param notes that were followed by whoever found this */
  constructor({ buffer, length, generation }: FoundWords, matcher: LineMatcher, notes: Notes) {
    this.#words = new Uint32Array(buffer, 0, length);
    this.#generation = generation;
    this.#matcher = matcher;
    this.#notes = notes;
  }

  /** Do the numbers still mean what they meant? */
  get isCurrent(): boolean {
    return this.#matcher.notes === this.#notes && this.#notes.generation === this.#generation;
  }

  *runs(): Generator<Run> {
    const words = this.#words;
    for (let at = 0; at < words.length; ) {
      const records = at + RUN_HEAD;
      const next = records + words[at + STOP]!;
      yield { from: words[at + FROM]!, base: words[at + BASE]!, records: words.subarray(records, next) };
      at = next;
    }
  }
}
