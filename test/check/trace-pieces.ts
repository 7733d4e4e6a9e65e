import type { Random } from "../helpers/random.ts";

/**
 * Small pieces of real traces, so that many of them can be checked.
 *
 * @module
 */

/** Bytes of the header of a simple trace. */
const SIMPLE_HEADER = 24;
const MAPPING_TYPE = 0n;
/** Type, event id, timestamp, length, process: what stands before the arguments of a record. */
const RECORD_HEAD = 32;

/** Whole lines from anywhere in a text, of about `size` bytes. */
export function textPiece(text: Uint8Array, size: number, random: Random): Uint8Array {
  const start = text.indexOf(0x0a, random.below(Math.max(1, text.length - size))) + 1;
  const end = text.indexOf(0x0a, Math.min(text.length - 1, start + size)) + 1;
  return text.slice(start, end > start ? end : text.length);
}

/** Cuts pieces from a binary trace: its header, the names of the IOMMU's events, and records from anywhere. */
export class SimplePieces {
  readonly #bytes: Uint8Array;
  readonly #head: Uint8Array;
  /** Where each record begins. */
  readonly #records: number[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const head: Uint8Array[] = [bytes.subarray(0, SIMPLE_HEADER)];
    let at = SIMPLE_HEADER;
    while (at + RECORD_HEAD <= bytes.length) {
      if (view.getBigUint64(at, true) === MAPPING_TYPE) {
        const end = at + 20 + view.getUint32(at + 16, true);
        const name = new TextDecoder("latin1").decode(bytes.subarray(at + 20, end));
        if (name.startsWith("spapr_iommu_")) head.push(bytes.subarray(at, end));
        at = end;
      } else {
        this.#records.push(at);
        at += 8 + view.getUint32(at + 24, true);
      }
    }
    this.#head = concat(head);
  }

  piece(records: number, random: Random): Uint8Array {
    const first = random.below(this.#records.length - records);
    const from = this.#records[first]!;
    return concat([this.#head, this.#bytes.subarray(from, this.#records[first + records])]);
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
