import { FoundLines, type FoundWords } from "./found-lines.ts";
import type { Kept, LineMatcher, Notes } from "./line-matcher.ts";

interface Offer {
  readonly ahead: LinesAhead;
  readonly found: FoundWords | undefined;
}

/** Chunks in which somebody looks for lines. */
const OFFERS = new WeakMap<Uint8Array, Offer>();

/**
 * Lines of a stream of text that are found by another thread, before somebody reads them. That thread follows the first
 * matcher that asks for what was found, and what it finds is for nobody else.
 */
export class LinesAhead {
  #notes: Notes | undefined;

  /** Says of a chunk what was found in it; undefined if nobody looked yet. */
  offer(chunk: Uint8Array, found: FoundWords | undefined): void {
    OFFERS.set(chunk, { ahead: this, found });
  }

  /** What the matcher kept since this was asked last. */
  takeKept(): readonly Kept[] {
    return this.#notes?.kept.splice(0) ?? [];
  }

  /** What was found in a chunk, for a matcher that may keep what is not found yet; undefined if nothing. */
  static in(chunk: Uint8Array, matcher: LineMatcher): FoundLines | undefined {
    const offer = OFFERS.get(chunk);
    return offer === undefined ? undefined : offer.ahead.#for(matcher, offer.found);
  }

  #for(matcher: LineMatcher, found: FoundWords | undefined): FoundLines | undefined {
    this.#notes ??= matcher.beginNotes();
    return found === undefined ? undefined : new FoundLines(found, matcher, this.#notes);
  }
}
