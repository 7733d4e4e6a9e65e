import type { Place } from "../findings/place.ts";

/** Who may touch a buffer. */
export type Side = typeof FOR_CPU | typeof FOR_DEVICE;
export const FOR_CPU = 0;
export const FOR_DEVICE = 1;

/** Pieces of a mapping that are distinguished; a driver that makes more is not followed. */
const MAX_PIECES = 256;

/** Bytes of a mapping that one sync was the last for; the place is that of the sync. */
export interface SyncedPiece extends Place {
  readonly side: Side;
  readonly first: number;
  readonly end: number;
}

/** For whom each byte of a mapping was synced last: drivers sync what they use, such as one half of a page. */
export class SyncedBytes {
  #pieces: SyncedPiece[] = [];

  /** All that was synced; pieces do not overlap, and are in no order. */
  get pieces(): readonly SyncedPiece[] {
    return this.#pieces;
  }

  /** The last sync of some of the bytes `[first, end)`; none of no bytes. */
  latest(first: number, end: number): SyncedPiece | undefined {
    if (first >= end) return undefined;
    let latest: SyncedPiece | undefined;
    for (const piece of this.#pieces) {
      const isIn = piece.first < end && first < piece.end;
      if (isIn && (latest === undefined || piece.event > latest.event)) latest = piece;
    }
    return latest;
  }

  /** A sync of some bytes replaces what was known of them. */
  sync(piece: SyncedPiece): void {
    const { first, end } = piece;
    if (first >= end) return;
    const all = this.#pieces;
    const only = all.length === 1 ? all[0]! : undefined;
    if (all.length === 0) all.push(piece);
    else if (only !== undefined && first <= only.first && only.end <= end) all[0] = piece;
    else this.#replace(piece);
  }

  #replace(piece: SyncedPiece): void {
    const { first, end } = piece;
    const pieces = [piece];
    for (const old of this.#pieces) {
      if (old.end <= first || old.first >= end) pieces.push(old);
      if (old.first < first && first < old.end) pieces.push({ ...old, end: first });
      if (old.first < end && end < old.end) pieces.push({ ...old, first: end });
    }
    this.#pieces = pieces.length > MAX_PIECES ? [] : pieces;
  }
}

/** What was synced of a live mapping. */
export interface SyncState {
  forCpu: boolean;
  forDevice: boolean;
  readonly bytes: SyncedBytes;
  /** It was seen that a sync is missing, before more syncs for this side: they show the same one. */
  suspected: Side | undefined;
}
