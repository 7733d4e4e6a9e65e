import type { RecordPiece } from "./event-queue.ts";
import { RECORD_HEAD } from "./sample-layout.ts";

/** Takes a record. */
type TakeRecord = (piece: RecordPiece, start: number, end: number) => void;

const NOTHING = new Uint8Array(0);
/** Behind such a record comes more that its size does not count: `PERF_RECORD_AUXTRACE`. */
const AUXTRACE = 71;

/** Cuts bytes that come in pieces into records. */
export class RecordStream {
  readonly #littleEndian: boolean;
  readonly #take: TakeRecord;
  #rest: Uint8Array = NOTHING;
  /** Bytes to pass over. */
  #skip = 0;
  #offset: number;
  /** Where a record begins that cannot be one, and why; nothing is read behind it. */
  failure: { readonly offset: number; readonly reason: string } | undefined;

  /** @param offset of the first byte, for messages */
  constructor(littleEndian: boolean, offset: number, take: TakeRecord) {
    this.#littleEndian = littleEndian;
    this.#take = take;
    this.#offset = offset;
  }

  /** Bytes of a record that is not there as a whole. */
  get rest(): number {
    return this.#rest.length;
  }

  /** Where that begins. */
  get offset(): number {
    return this.#offset;
  }

  /** @param chunk is lent */
  push(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const used = this.failure === undefined ? this.#read(bytes) : bytes.length;
    this.#rest = used < bytes.length ? bytes.subarray(used) : NOTHING;
    this.#offset += used;
  }

  #read(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer);
    const piece: RecordPiece = { bytes, view, waiting: 0 };
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      at += skipped;
      this.#skip -= skipped;
      if (at + RECORD_HEAD > bytes.length) return at;
      const size = view.getUint16(at + 6, this.#littleEndian);
      if (size < RECORD_HEAD) {
        this.failure = { offset: this.#offset + at, reason: `a record of ${size} bytes` };
        return bytes.length;
      }
      if (at + size > bytes.length) return at;
      if (view.getUint32(at, this.#littleEndian) === AUXTRACE && size >= 16)
        this.#skip = Number(view.getBigUint64(at + 8, this.#littleEndian));
      else this.#take(piece, at, at + size);
      at += size;
    }
  }
}
