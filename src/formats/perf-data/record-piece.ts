import type { RawBytes } from "../event-format/raw-fields.ts";

/** Bytes of a piece: what is read at a time, and a record of which the start was read before. */
const PIECE_BYTES = 2 ** 17 + 2 ** 16;

/** A piece of memory in which records stand. What was written into it stays as it is while somebody holds it. */
export class RecordPiece implements RawBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly littleEndian: boolean;
  /** Who needs it: the stream that fills it, and runs of its records that wait. */
  holders = 0;

  constructor(length: number, littleEndian: boolean) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
    this.littleEndian = littleEndian;
  }
}

/** Pieces of memory, each used again when nobody holds it any more: new memory is zeroed first, which takes time. */
export class PiecePool {
  /** Bytes of the pieces that somebody holds. */
  heldBytes = 0;
  readonly #littleEndian: boolean;
  readonly #spare: RecordPiece[] = [];

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  /** A piece with room for so many bytes, held. */
  take(length: number): RecordPiece {
    const fits = length <= PIECE_BYTES;
    const spare = fits ? this.#spare.pop() : undefined;
    const piece = spare ?? new RecordPiece(fits ? PIECE_BYTES : length, this.#littleEndian);
    this.hold(piece);
    return piece;
  }

  /** Somebody else needs it, too. */
  hold(piece: RecordPiece): void {
    if (piece.holders++ === 0) this.heldBytes += piece.bytes.length;
  }

  /** One who held it needs it no more. */
  release(piece: RecordPiece): void {
    if (--piece.holders > 0) return;
    this.heldBytes -= piece.bytes.length;
    if (piece.bytes.length === PIECE_BYTES) this.#spare.push(piece);
  }
}
