/** Kind and length of a record, a word each. */
const HEAD_BYTES = 16;

/** Records of the oracle's firmware, one behind the other as it reads them. */
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

  /** The whole list. The record that ends it has kind 0. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.byteLength);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    new DataView(all.buffer).setBigUint64(at + 8, 2n);
    return all;
  }
}

/** Big-endian words of 64 bits. */
export function words64(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setBigUint64(i * 8, value);
  });
  return bytes;
}

/** Big-endian words of 32 bits. */
export function words32(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value);
  });
  return bytes;
}
