import type { FoundWords } from "../../src/formats/lines/found-lines.ts";
import { LineFinder } from "../../src/formats/lines/line-finder.ts";
import type { Note } from "../../src/formats/lines/line-matcher.ts";
import { LinesAhead } from "../../src/formats/lines/lines-ahead.ts";
import type { Random } from "./random.ts";

interface Waiting {
  readonly chunk: Uint8Array;
  readonly found: FoundWords | undefined;
}

/** Chunks that were looked at and not read yet, at most, and notes that are on their way. */
const MOST_AHEAD = 8;
const MOST_LATE = 3;
/** Bytes for what is found in one: sometimes too few. */
const MOST_BYTES = 2 ** 16;

/** Feeds a reader of text as a thread does that finds lines some chunks before they are read. */
export class AheadFeeder {
  /** Bytes of chunks in which lines were found. */
  foundIn = 0;
  readonly #push: (chunk: Uint8Array) => void;
  readonly #random: Random;
  readonly #finder = new LineFinder(1);
  readonly #ahead = new LinesAhead();
  readonly #waiting: Waiting[] = [];
  readonly #notes: (readonly Note[])[] = [];

  constructor(push: (chunk: Uint8Array) => void, random: Random) {
    this.#push = push;
    this.#random = random;
  }

  push(data: Uint8Array): void {
    const chunk = data.slice();
    const found = this.#finder.find(chunk, () => new ArrayBuffer(4 * this.#random.below(MOST_BYTES / 4)));
    this.#waiting.push({ chunk, found });
    if (found !== undefined && found.length > 0) this.foundIn += chunk.length;
    const most = this.#random.below(MOST_AHEAD + 1);
    while (this.#waiting.length > most) this.#give();
  }

  /** Everything is read. */
  flush(): void {
    while (this.#waiting.length > 0) this.#give();
  }

  #give(): void {
    const { chunk, found } = this.#waiting.shift()!;
    this.#ahead.offer(chunk, found);
    this.#push(chunk);
    // Both go back to the thread, and hold something else at once.
    chunk.fill(0x0a);
    if (found !== undefined) new Uint8Array(found.buffer).fill(0xff);
    this.#notes.push(this.#ahead.takeNotes());
    const most = this.#random.below(MOST_LATE + 1);
    while (this.#notes.length > most) this.#finder.learn(this.#notes.shift()!);
  }
}
