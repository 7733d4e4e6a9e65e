import { FoundLines, type FoundWords } from "./found-lines.ts";
import type { LineMatcher, Note, Notes } from "./line-matcher.ts";

/** Chunks that another thread looks at before they are read, with what it found in them. */
const OFFERS = new WeakMap<Uint8Array, Offer>();

interface Offer {
  readonly ahead: LinesAhead;
  readonly found: FoundWords | undefined;
}

/**
 * Lines of a stream of text that are found by another thread, before somebody reads them. That thread follows the matcher of the first
 * reader that asks for them, and what it finds is for nobody else.
 */
export class LinesAhead {
  #matcher: LineMatcher | undefined;
  #notes: Notes | undefined;

  /** Says what was found in a chunk that comes next. */
  offer(chunk: Uint8Array, found: FoundWords | undefined): void {
    OFFERS.set(chunk, { ahead: this, found });
  }

  /** What the matcher did since this was asked last. */
  takeNotes(): readonly Note[] {
    return this.#notes?.list.splice(0) ?? [];
  }

  /** Nothing follows. */
  end(): void {
    if (this.#matcher !== undefined && this.#matcher.notes === this.#notes) this.#matcher.endNotes();
  }

  /**
   * What was found in a chunk, with the numbers of a reader's matcher; undefined if nothing was. A matcher that is to be followed from
   * here on forgets all that it kept before.
   */
  static foundFor(matcher: LineMatcher, chunk: Uint8Array): FoundLines | undefined {
    const offer = OFFERS.get(chunk);
    return offer === undefined ? undefined : offer.ahead.#foundFor(matcher, offer.found);
  }

  #foundFor(matcher: LineMatcher, found: FoundWords | undefined): FoundLines | undefined {
    if (this.#notes === undefined) {
      this.#matcher = matcher;
      this.#notes = matcher.beginNotes();
    }
    return found === undefined ? undefined : new FoundLines(found, matcher, this.#notes);
  }
}
