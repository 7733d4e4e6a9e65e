import { hiOf, hiOfNumber, loOf, loOfNumber } from "../base/u64.ts";
import type { Machine } from "../spapr/machine.ts";
import { Hcall, MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { HcallRegisters } from "../spapr/registers.ts";

/** Where guests put lists of TCEs in their memory. */
const LIST_ADDRESS = 0x20_0000n;

/** The two cells of a BUID or an address. */
export const cells = (value: bigint): [number, number] => [hiOf(value), loOf(value)];

/** The calls that a guest makes for its IOMMU. A status is returned as it comes, with H_SUCCESS 0. */
export class GuestCalls {
  readonly machine: Machine;
  readonly #registers = new HcallRegisters();
  readonly #list = new Uint8Array(MAX_LIST_ENTRIES * 8);
  readonly #view = new DataView(this.#list.buffer);

  constructor(machine: Machine) {
    this.machine = machine;
  }

  put(liobn: number, ioba: bigint, tce: bigint): number {
    return this.#call(Hcall.PUT_TCE, [BigInt(liobn), ioba, tce]);
  }

  /** @returns the TCE, or the status below 0 */
  get(liobn: number, ioba: bigint): bigint {
    const status = this.#call(Hcall.GET_TCE, [BigInt(liobn), ioba]);
    return status === 0 ? this.#registers.get(4) : BigInt(status);
  }

  stuff(liobn: number, ioba: bigint, tce: bigint, pages: number): number {
    return this.#call(Hcall.STUFF_TCE, [BigInt(liobn), ioba, tce, BigInt(pages)]);
  }

  /**
   * H_PUT_TCE_INDIRECT of pages that follow one another, in the window and in memory.
   *
   * @param target address of the first page, with permission bits; all below 2^53
   * @param count 0 to 512
   */
  putList(
    liobn: number,
    ioba: bigint,
    { target, pageSize, count }: { target: number; pageSize: number; count: number },
  ): number {
    const view = this.#view;
    for (let i = 0; i < count; i++) {
      const tce = target + i * pageSize;
      view.setUint32(i * 8, hiOfNumber(tce));
      view.setUint32(i * 8 + 4, loOfNumber(tce));
    }
    this.machine.systemMemory.write(LIST_ADDRESS, this.#list.subarray(0, count * 8), null);
    return this.#call(Hcall.PUT_TCE_INDIRECT, [BigInt(liobn), ioba, LIST_ADDRESS, BigInt(count)]);
  }

  /** An RTAS call; the first return cell is the status. */
  rtas(token: number, args: readonly number[], results: number): number[] {
    return this.machine.rtas(token, args, results);
  }

  #call(opcode: number, args: readonly bigint[]): number {
    this.#registers.load(BigInt(opcode), args);
    return this.machine.hcall(this.#registers.words);
  }
}
