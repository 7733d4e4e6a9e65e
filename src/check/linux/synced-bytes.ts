import type { Place } from "../findings/place.ts";

/** Who may touch a buffer. */
export type Side = typeof FOR_CPU | typeof FOR_DEVICE;
export const FOR_CPU = 0;
export const FOR_DEVICE = 1;

/** Pieces of a mapping that are distinguished; a driver that makes more is not followed. */
const MAX_PIECES = 256;

/** Bytes of a mapping that one sync was the last for. */
export interface SyncedPiece {
  readonly side: Side;
  readonly first: number;
  readonly end: number;
  readonly place: Place;
}

/** For whom each byte of a mapping was synced last: drivers sync what they use, such as one half of a page. */
export class SyncedBytes {
  #pieces: SyncedPiece[] = [];

  /** All that was synced; pieces do not overlap, and are in no order. */
  get pieces(): readonly SyncedPiece[] {
    return this.#pieces;
  }

  /** What is known of the bytes `[first, end)`. */
  within(first: number, end: number): SyncedPiece[] {
    return this.#pieces.filter((piece) => piece.first < end && first < piece.end);
  }

  /** A sync of some bytes replaces what was known of them. */
  sync(piece: SyncedPiece): void {
    const { first, end } = piece;
    if (first >= end) return;
    const pieces = [piece];
    for (const old of this.#pieces) {
      if (old.end <= first || old.first >= end) pieces.push(old);
      if (old.first < first && first < old.end) pieces.push({ ...old, end: first });
      if (old.first < end && end < old.end) pieces.push({ ...old, first: end });
    }
    this.#pieces = pieces.length > MAX_PIECES ? [] : pieces;
  }
}
