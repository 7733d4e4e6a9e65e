/**
 * Pieces of 4 KiB of an address space, by their numbers.
 *
 * @module
 */

/** Bytes of a piece of address space, their log2, and the pieces of 4 GiB. */
const PIECE = 4096;
const PIECE_SHIFT = 12;
const PIECES = 2 ** (32 - PIECE_SHIFT);
/** A division takes much longer than a product, also one by a constant. */
const PER_BYTE = 1 / PIECE;

/** The piece in which an address lies: exact, as their numbers have 52 bits. */
export const pieceOf = (hi: number, lo: number): number => hi * PIECES + (lo >>> PIECE_SHIFT);

/** Its halves, the low one signed. */
export const pieceHi = (hi: number): number => hi >>> PIECE_SHIFT;
export const pieceLo = (hi: number, lo: number): number => (hi << (32 - PIECE_SHIFT)) | (lo >>> PIECE_SHIFT);

/** The piece in which so many bytes from an address on end. */
export const lastPieceOf = (hi: number, lo: number, bytes: number): number =>
  pieceOf(hi, lo) + Math.floor(((lo & (PIECE - 1)) + Math.max(bytes, 1) - 1) * PER_BYTE);

/** Do they lie in one piece? Most do, and whole numbers of 32 bits are enough for these. */
export const isOnePiece = (lo: number, bytes: number): boolean => (lo & (PIECE - 1)) + bytes <= PIECE;
