import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { OpResult } from "../../script/op/result.ts";
import type { DmaTrace } from "./dma-trace.ts";

/** Makes the result of one operation of what the firmware left for it. */
export type Decoder = (results: ResultReader, trace: DmaTrace) => OpResult;

/** Takes the firmware's results apart. */
export class ResultReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  word(): bigint {
    const value = this.#view.getBigUint64(this.#at);
    this.#at += 8;
    return value;
  }

  bytes(length: number): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += (length + 7) & ~7;
    return bytes;
  }

  /** A hypercall's status: a number where it is exact, which all of them are. */
  status(): number | string {
    const value = BigInt.asIntN(64, this.word());
    return Number.isSafeInteger(Number(value)) ? Number(value) : hex(value);
  }

  expectZero(what: string): void {
    const value = this.word();
    if (value !== 0n) throw new IommuError("PEER", `${what} failed on real QEMU: ${hex(value)}`, { value });
  }
}

/** Of an operation without a result. */
export const nothing: Decoder = () => ({});

/** Of a hypercall that returns a status alone. */
export const status: Decoder = (results) => ({ ret: results.status() });

/** Of a scan of H_GET_TCEs: runs of equal answers. */
export const scanResult: Decoder = (results) => {
  const runs: unknown[] = [];
  for (let left = Number(results.word()); left > 0; left--) {
    const at = Number(results.word());
    const ret = results.status();
    const tce = results.word();
    runs.push(ret === 0 ? [at, ret, hex(tce)] : [at, ret]);
  }
  return { runs };
};
