import { TWO32 } from "../../base/u64.ts";

/** Bytes of a piece of address space. */
export const PIECE = 4096;
/** Mappings of more pieces than these are not entered into each of them. */
const MAX_PIECES = 4096;

/** The piece in which an address lies: exact, as their numbers have 52 bits. */
export const pieceOf = (hi: number, lo: number): number => hi * (TWO32 / PIECE) + Math.floor(lo / PIECE);

/** Finds mappings by the pieces of an address space that they lie in; the huge ones one by one. */
export class PieceIndex<T> {
  readonly #byPiece = new Map<number, T[]>();
  readonly #huge = new Set<T>();

  /** @param last piece in which the mapping ends */
  add(first: number, last: number, mapping: T): void {
    if (last - first >= MAX_PIECES) {
      this.#huge.add(mapping);
      return;
    }
    for (let piece = first; piece <= last; piece++) {
      const there = this.#byPiece.get(piece);
      if (there === undefined) this.#byPiece.set(piece, [mapping]);
      else there.push(mapping);
    }
  }

  /** Takes out what {@link add} put in; nothing if it did not. */
  remove(first: number, last: number, mapping: T): void {
    if (this.#huge.delete(mapping)) return;
    if (last - first >= MAX_PIECES) return;
    for (let piece = first; piece <= last; piece++) {
      const there = this.#byPiece.get(piece);
      const at = there?.indexOf(mapping) ?? -1;
      if (at < 0) return;
      there!.splice(at, 1);
      if (there!.length === 0) this.#byPiece.delete(piece);
    }
  }

  /** The first mapping found in some pieces, or among the huge ones, that fits. */
  find(first: number, last: number, fits: (mapping: T) => boolean): T | undefined {
    if (last - first < MAX_PIECES) {
      for (let piece = first; piece <= last; piece++) {
        const found = this.#byPiece.get(piece)?.find(fits);
        if (found !== undefined) return found;
      }
    }
    for (const mapping of this.#huge) if (fits(mapping)) return mapping;
    return undefined;
  }
}
