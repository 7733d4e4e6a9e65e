import type { FoundLines } from "../lines/found-lines.ts";
import { type LineMatcher, makeLineMatcher } from "../lines/line-matcher.ts";
import { LinesAhead } from "../lines/lines-ahead.ts";

/** Lines that could be kept before they are: a short text is read before WebAssembly is at work. */
const FIRST_KEPT = 64;
/** To keep a line takes as long as to find so many again; and so many lines can be kept before any is found. */
const COST = 10;
const MOST = 2048 * COST;

/** The text of which a reader finds lines again, once there are enough of them. */
export class MatchedText {
  #matcher: LineMatcher | undefined;
  #here: LineMatcher | undefined;
  /** Lines that could have been kept. */
  #lines = 0;
  /** What keeping may still take: lines of which none comes again are not kept for long. */
  #credit = MOST;

  /** Where to read so many bytes. */
  blockFor(bytes: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#lines === FIRST_KEPT) {
      this.#lines++;
      this.#matcher = makeLineMatcher();
    }
    const text = this.#matcher?.text;
    return text !== undefined && bytes <= text.length ? text : undefined;
  }

  /** What another thread found in a chunk; undefined if nothing. It follows the matcher here, once there is one. */
  foundIn(chunk: Uint8Array): FoundLines | undefined {
    return this.#matcher === undefined ? undefined : LinesAhead.foundFor(this.#matcher, chunk);
  }

  /** From here on lines in these bytes are read. */
  begin(bytes: Uint8Array): void {
    this.#here = bytes === this.#matcher?.text ? this.#matcher : undefined;
  }

  /** What finds lines in the text that is read now; undefined if nothing does. */
  get matcher(): LineMatcher | undefined {
    return this.#here;
  }

  /** So many lines were found. */
  found(lines: number): void {
    this.#credit = Math.min(this.#credit + lines, MOST);
  }

  /** What keeps a line that was read and could be kept; undefined if it is not to be. */
  keeper(): LineMatcher | undefined {
    if (this.#lines < FIRST_KEPT) this.#lines++;
    if (this.#here === undefined || this.#credit < COST) return undefined;
    this.#credit -= COST;
    return this.#here;
  }
}
