import { checkedNumber, checkPiece } from "../base/checked.ts";
import { IommuError } from "../base/errors.ts";
import { TWO32 } from "../base/u64.ts";

/** Bytes that are allocated at once, on the first write. */
const CHUNK = 0x1_0000;
/**
 * The most bytes one guest may really use; on paper its memory may be larger.
 *
 * @public
 */
export const MAX_RESIDENT_BYTES: number = 4 * 2 ** 30;
/**
 * The most bytes a guest may have on paper, so that offsets stay exact numbers.
 *
 * @public
 */
export const MAX_RAM_BYTES: bigint = 1n << 52n;

/**
 * A piece of guest memory. It may be terabytes on paper: only what was written
 * is there, the rest reads as zero.
 *
 * Offsets are whole numbers below 2^52. What is not, or passes the end of the
 * memory, is an error: IommuError BAD_ARGUMENT or OUT_OF_RANGE.
 *
 * @public
 */
export class GuestRam {
  readonly sizeBytes: bigint;
  readonly #size: number = 0;
  readonly #maxResidentBytes: number = 0;
  readonly #chunks = new Map<number, Uint8Array<ArrayBuffer>>();
  // The chunk used last: most accesses stay in one.
  #lastNumber = -1;
  #lastBytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #lastView = new DataView(new ArrayBuffer(0));

  /**
   * @param maxResidentBytes the most bytes that may really be in use
   * @throws IommuError OUT_OF_RANGE if the size is not 1 byte to {@link MAX_RAM_BYTES}
   */
  constructor(sizeBytes: bigint, maxResidentBytes: number = MAX_RESIDENT_BYTES) {
    if (typeof sizeBytes !== "bigint" || sizeBytes <= 0n || sizeBytes > MAX_RAM_BYTES) {
      throw new IommuError("OUT_OF_RANGE", `memory of ${sizeBytes} bytes: must be 1 to ${MAX_RAM_BYTES}`, {
        sizeBytes,
      });
    }
    this.sizeBytes = sizeBytes;
    this.#size = Number(sizeBytes);
    this.#maxResidentBytes = checkedNumber(
      maxResidentBytes,
      "most bytes of memory in use",
      0,
      Number.MAX_SAFE_INTEGER,
    );
  }

  /** Bytes that are really allocated. */
  get residentBytes(): number {
    return this.#chunks.size * CHUNK;
  }

  /** Copies bytes from `offset` into `into`. */
  read(offset: number, into: Uint8Array): void {
    checkPiece(offset, into.length, this.#size, "read of memory");
    for (let done = 0; done < into.length; ) {
      const at = (offset + done) % CHUNK;
      const length = Math.min(CHUNK - at, into.length - done);
      if (this.#find((offset + done - at) / CHUNK)) {
        into.set(this.#lastBytes.subarray(at, at + length), done);
      } else {
        into.fill(0, done, done + length);
      }
      done += length;
    }
  }

  /**
   * Copies bytes to `offset`.
   *
   * @throws IommuError LIMIT_EXCEEDED when more would be in use than the limit of the constructor
   */
  write(offset: number, from: Uint8Array): void {
    checkPiece(offset, from.length, this.#size, "write of memory");
    for (let done = 0; done < from.length; ) {
      const at = (offset + done) % CHUNK;
      const length = Math.min(CHUNK - at, from.length - done);
      this.#findOrMake((offset + done - at) / CHUNK);
      this.#lastBytes.set(length === from.length ? from : from.subarray(done, done + length), at);
      done += length;
    }
  }

  /** A big-endian 32-bit cell; `offset` is a multiple of 4. */
  readCell(offset: number): number {
    this.#checkCells(offset, 1);
    const at = offset % CHUNK;
    return this.#find((offset - at) / CHUNK) ? this.#lastView.getUint32(at) : 0;
  }

  /** Stores a big-endian 32-bit cell; `offset` is a multiple of 4. */
  writeCell(offset: number, value: number): void {
    this.#checkCells(offset, 1);
    checkedNumber(value, "cell", 0, 0xffff_ffff);
    const at = offset % CHUNK;
    this.#findOrMake((offset - at) / CHUNK);
    this.#lastView.setUint32(at, value);
  }

  /**
   * Reads `count` big-endian 32-bit cells from `offset`, a multiple of 4.
   * A list of TCEs is one: high and low half of each entry in turn.
   */
  readCells(offset: number, into: Uint32Array, count: number): void {
    this.#checkCells(offset, count);
    checkPiece(0, count, into.length, "cells to be read");
    for (let done = 0; done < count; ) {
      // Of 32 bits, so that the loop below is one of integers.
      const at = ((offset + done * 4) % CHUNK) | 0;
      const end = Math.min(done + ((CHUNK - at) >> 2), count);
      if (this.#find((offset + done * 4 - at) / CHUNK)) {
        copyCells(this.#lastView, at, into, done, end);
      } else {
        into.fill(0, done, end);
      }
      done = end;
    }
  }

  #checkCells(offset: number, count: number): void {
    checkPiece(offset, count * 4, this.#size, "cells of memory");
    if (offset % 4 !== 0) {
      throw new IommuError("BAD_ARGUMENT", `cell at ${offset}: must be at a multiple of 4`, { offset });
    }
  }

  #find(number: number): boolean {
    if (number === this.#lastNumber) return true;
    const bytes = this.#chunks.get(number);
    if (bytes === undefined) return false;
    this.#use(number, bytes);
    return true;
  }

  #findOrMake(number: number): void {
    if (this.#find(number)) return;
    if (this.residentBytes >= this.#maxResidentBytes) {
      const limit = this.#maxResidentBytes;
      throw new IommuError("LIMIT_EXCEEDED", `more than ${limit} bytes of guest memory in use`, { limit });
    }
    const bytes = new Uint8Array(CHUNK);
    this.#chunks.set(number, bytes);
    this.#use(number, bytes);
  }

  #use(number: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#lastNumber = number;
    this.#lastBytes = bytes;
    this.#lastView = new DataView(bytes.buffer);
  }
}

/** An offset in memory as a number. Exact, because no memory is larger than {@link MAX_RAM_BYTES}. */
export const ramOffset = (hi: number, lo: number): number => (hi >>> 0) * TWO32 + (lo >>> 0);

function copyCells(from: DataView, at: number, into: Uint32Array, first: number, end: number): void {
  let i = first;
  let next = at;
  // Two at a time, as entries of a list are, take three quarters of the time.
  for (; i + 1 < end; i += 2, next += 8) {
    into[i] = from.getUint32(next);
    into[i + 1] = from.getUint32(next + 4);
  }
  if (i < end) into[i] = from.getUint32(next);
}
