import type { PiecePool, RecordPiece } from "./record-piece.ts";
import { RECORD_HEAD } from "./sample-layout.ts";

/** Takes a record. */
type TakeRecord = (piece: RecordPiece, start: number, end: number, type: number) => void;

/** Behind such a record comes more that its size does not count: `PERF_RECORD_AUXTRACE`. */
const AUXTRACE = 71;

/** Cuts bytes that come in pieces into records. */
export class RecordStream {
  readonly #pool: PiecePool;
  readonly #take: TakeRecord;
  #piece: RecordPiece;
  /** What of the piece was not read yet. */
  #at = 0;
  #end = 0;
  /** Bytes to pass over. */
  #skip = 0;
  /** Of the piece's first byte. */
  #base: number;
  /** Where a record begins that cannot be one, and why; nothing is read behind it. */
  failure: { readonly offset: number; readonly reason: string } | undefined;

  /** @param offset of the first byte, for messages */
  constructor(pool: PiecePool, offset: number, take: TakeRecord) {
    this.#pool = pool;
    this.#piece = pool.take(0);
    this.#base = offset;
    this.#take = take;
  }

  /** Bytes of a record that is not there as a whole. */
  get rest(): number {
    return this.#end - this.#at;
  }

  /** Where that begins; while a record is taken, where this begins. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** @param chunk is lent */
  push(chunk: Uint8Array): void {
    if (this.failure !== undefined) return;
    if (this.#end + chunk.length > this.#piece.bytes.length) this.#nextPiece(chunk.length);
    this.#piece.bytes.set(chunk, this.#end);
    this.#end += chunk.length;
    this.#read();
  }

  /** Goes on in another piece, with what is left of this one and room for so many bytes more. */
  #nextPiece(length: number): void {
    const rest = this.#piece.bytes.subarray(this.#at, this.#end);
    const piece = this.#pool.take(rest.length + length);
    piece.bytes.set(rest);
    this.#pool.release(this.#piece);
    this.#piece = piece;
    this.#base += this.#at;
    this.#at = 0;
    this.#end = rest.length;
  }

  #read(): void {
    const piece = this.#piece;
    const { view, littleEndian } = piece;
    const length = this.#end;
    for (;;) {
      const skipped = Math.min(this.#skip, length - this.#at);
      this.#skip -= skipped;
      const at = this.#at + skipped;
      this.#at = at;
      if (at + RECORD_HEAD > length) return;
      const size = view.getUint16(at + 6, littleEndian);
      if (size < RECORD_HEAD) {
        this.failure = { offset: this.offset, reason: `a record of ${size} bytes` };
        return;
      }
      if (at + size > length) return;
      const type = view.getUint32(at, littleEndian);
      if (type === AUXTRACE && size >= 16) this.#skip = Number(view.getBigUint64(at + 8, littleEndian));
      else this.#take(piece, at, at + size, type);
      this.#at = at + size;
    }
  }
}
