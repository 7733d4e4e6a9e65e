import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";

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
