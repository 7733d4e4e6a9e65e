import { RecordKind } from "./layout.ts";

/** Kind and length of a record, a word each. */
const HEAD_BYTES = 16;

/** Records of the oracle's firmware, one after the other as it reads them. */
export class RecordList {
  /** Number of records, without the one that ends the list. */
  count = 0;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** Bytes of all records, with the one that ends the list. */
  get byteLength(): number {
    return this.#bytes + HEAD_BYTES;
  }

  add(kind: number, words: readonly (bigint | number)[], data: Uint8Array = new Uint8Array(0)): void {
    const bytes = new Uint8Array(HEAD_BYTES + words.length * 8 + ((data.length + 7) & ~7));
    const view = new DataView(bytes.buffer);
    [kind, bytes.length / 8, ...words].forEach((word, i) => {
      view.setBigUint64(i * 8, BigInt.asUintN(64, BigInt(word)));
    });
    bytes.set(data, HEAD_BYTES + words.length * 8);
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    this.count++;
  }

  hcall(opcode: bigint | number, args: readonly (bigint | number)[], outputs = 0): void {
    this.add(RecordKind.HCALL, [outputs, opcode, ...args]);
  }

  /** Writes to guest memory; nothing for no bytes. */
  write(address: bigint, data: Uint8Array): void {
    if (data.length > 0) this.add(RecordKind.WRITE, [address, data.length], data);
  }

  /** The whole list. The record that ends it has kind 0. */
  bytes(): Uint8Array {
    const end = new Uint8Array(HEAD_BYTES);
    end.set(words64([0n, BigInt(HEAD_BYTES / 8)]));
    return Buffer.concat([...this.#chunks, end]);
  }
}

/** Big-endian words of 64 bits. */
export const words64 = (values: readonly bigint[]): Uint8Array =>
  bigEndian(values, 8, (view, at, value) => view.setBigUint64(at, value));

/** Big-endian words of 32 bits. */
export const words32 = (values: readonly number[]): Uint8Array =>
  bigEndian(values, 4, (view, at, value) => view.setUint32(at, value));

function bigEndian<T>(
  values: readonly T[],
  wordBytes: number,
  set: (view: DataView, at: number, value: T) => void,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * wordBytes));
  for (const [i, value] of values.entries()) set(view, i * wordBytes, value);
  return new Uint8Array(view.buffer);
}
