import { LineMatcher } from "./line-matcher.ts";

/** Lines that could be kept before they are: a short text is read before WebAssembly is at work. */
const FIRST_KEPT = 64;

/** The text of which a reader finds lines again, once there are enough of them. */
export class MatchedText {
  #matcher: LineMatcher | undefined;
  #here: LineMatcher | undefined;
  /** Lines that could have been kept. */
  #lines = 0;

  /** What finds lines in the text that is read now; undefined if nothing does. */
  get matcher(): LineMatcher | undefined {
    return this.#here;
  }

  /** Where to read so many bytes. */
  blockFor(bytes: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#lines === FIRST_KEPT) {
      this.#lines++;
      this.#matcher = makeLineMatcher();
    }
    const text = this.#matcher?.text;
    return text !== undefined && bytes <= text.length ? text : undefined;
  }

  /** From here on lines in these bytes are read. */
  begin(bytes: Uint8Array): void {
    this.#here = bytes === this.#matcher?.text ? this.#matcher : undefined;
  }

  /** A line was read that could be kept. */
  count(): void {
    if (this.#lines < FIRST_KEPT) this.#lines++;
  }
}

/** Did the engine refuse memory? It takes it a tenth of a second to say so. */
let isRefused = false;

/** There is none where there is no WebAssembly, or no memory for it: all can be read without it. */
function makeLineMatcher(): LineMatcher | undefined {
  if (isRefused) return undefined;
  try {
    return new LineMatcher();
  } catch (error) {
    isRefused = error instanceof RangeError;
    return undefined;
  }
}
