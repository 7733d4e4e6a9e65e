import { hiOf, hiOfNumber, loOf, loOfNumber } from "../base/u64.ts";
import type { Machine } from "../spapr/machine.ts";
import { Hcall, MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { HcallRegisters } from "../spapr/registers.ts";

/** Where scenarios put lists of TCEs in guest memory. */
const LIST_ADDRESS = 0x20_0000n;

/** Consecutive pages of a window that map consecutive pages of memory. */
export interface DirectRange {
  readonly liobn: number;
  readonly pageShift: number;
  /** Bus address of the first page. */
  readonly ioba: bigint;
  /** Address of the first page in memory. */
  readonly target: bigint;
  readonly pages: number;
}

/**
 * Maps pages directly, read and write, by as few H_PUT_TCE_INDIRECT as the list
 * of 512 allows; what Linux does for a window that maps memory directly.
 *
 * @param after called after each hypercall
 * @returns how many hypercalls it took
 * @throws Error if the machine refuses one
 */
export function mapDirect(
  machine: Machine,
  { liobn, pageShift, ioba, target, pages }: DirectRange,
  after?: () => void,
): number {
  const registers = new HcallRegisters();
  const list = new Uint8Array(MAX_LIST_ENTRIES * 8);
  const view = new DataView(list.buffer);
  let calls = 0;
  for (let done = 0; done < pages; done += MAX_LIST_ENTRIES) {
    const count = Math.min(MAX_LIST_ENTRIES, pages - done);
    for (let i = 0; i < count; i++) {
      // Below 2^53: page numbers times page sizes of memory that exists.
      const offset = (done + i) * 2 ** pageShift + Number(target);
      view.setUint32(i * 8, hiOfNumber(offset));
      view.setUint32(i * 8 + 4, (loOfNumber(offset) | 3) >>> 0);
    }
    machine.systemMemory.write(LIST_ADDRESS, list.subarray(0, count * 8), null);
    const address = ioba + (BigInt(done) << BigInt(pageShift));
    registers.load(BigInt(Hcall.PUT_TCE_INDIRECT), [BigInt(liobn), address, LIST_ADDRESS, BigInt(count)]);
    const status = machine.hcall(registers.words);
    if (status !== 0) throw new Error(`H_PUT_TCE_INDIRECT at ${address} answered ${status}`);
    calls++;
    after?.();
  }
  return calls;
}

/** The two cells of a BUID or an address. */
export const cells = (value: bigint): [number, number] => [hiOf(value), loOf(value)];
