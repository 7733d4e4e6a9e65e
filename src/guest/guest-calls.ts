import { hiOf, hiOfNumber, loOf, loOfNumber, TWO32, toBig } from "../base/u64.ts";
import type { Machine } from "../spapr/machine.ts";
import { Hcall, MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { HcallRegisters } from "../spapr/registers.ts";
import type { GuestWindow } from "./guest-window.ts";

/** Where guests put lists of TCEs in their memory. */
const LIST_ADDRESS = 0x20_0000;

// V8 folds a constant of the module itself, but loads an imported one each time.
const { PUT_TCE, GET_TCE, STUFF_TCE, PUT_TCE_INDIRECT } = Hcall;

// Where the low halves of r3 (number of the call) to r7 lie; the high half is before each.
const OPCODE = 1;
const LIOBN = 3;
const IOBA_HI = 4;
const IOBA_LO = 5;
const R6_HI = 6;
const R6_LO = 7;
const R7 = 9;

/** The two cells of a BUID or an address. */
export const cells = (value: bigint): [number, number] => [hiOf(value), loOf(value)];

/**
 * The calls that a guest makes for its IOMMU. Pages are counted from the start of their window, TCEs are below 2^53, and a
 * status is returned as it comes, with H_SUCCESS 0.
 */
export class GuestCalls {
  readonly machine: Machine;
  /** For calls whose answer is a status: what they do not set stays 0. */
  protected readonly words: Uint32Array<ArrayBuffer> = new HcallRegisters().words;
  /** For the one that answers in a register. */
  readonly #answer = new HcallRegisters();
  readonly #list = new Uint8Array(MAX_LIST_ENTRIES * 8);
  readonly #view = new DataView(this.#list.buffer);

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** H_PUT_TCE. */
  put(window: GuestWindow, page: number, tce: number): number {
    const words = this.words;
    words[R6_HI] = hiOfNumber(tce);
    words[R6_LO] = loOfNumber(tce);
    return this.call(PUT_TCE, window, page);
  }

  /** H_GET_TCE; the TCE, or the status below 0. */
  get(window: GuestWindow, page: number): bigint {
    const registers = this.#answer;
    this.#setFar(window, page);
    registers.load(GET_TCE, [window.liobn, toBig(this.words[IOBA_HI]!, this.words[IOBA_LO]!)]);
    const status = this.machine.hcall(registers.words);
    return status === 0 ? registers.get(4) : BigInt(status);
  }

  /** H_STUFF_TCE of 0. */
  clear(window: GuestWindow, page: number, count: number): number {
    const words = this.words;
    words[R6_HI] = 0;
    words[R6_LO] = 0;
    words[R7] = count;
    return this.call(STUFF_TCE, window, page);
  }

  /**
   * H_PUT_TCE_INDIRECT of pages that follow one another, in the window and in memory.
   *
   * @param tce the first one
   * @param count 0 to 512
   */
  putList(window: GuestWindow, page: number, tce: number, count: number): number {
    const view = this.#view;
    for (let i = 0; i < count; i++) {
      const next = tce + i * window.pageSize;
      view.setUint32(i * 8, hiOfNumber(next));
      view.setUint32(i * 8 + 4, loOfNumber(next));
    }
    this.machine.systemMemory.write(BigInt(LIST_ADDRESS), this.#list.subarray(0, count * 8), null);
    const words = this.words;
    words[R6_HI] = 0;
    words[R6_LO] = LIST_ADDRESS;
    words[R7] = count;
    return this.call(PUT_TCE_INDIRECT, window, page);
  }

  /** An RTAS call; the first return cell is the status. */
  rtas(token: number, args: readonly number[], results: number): number[] {
    return this.machine.rtas(token, args, results);
  }

  protected call(opcode: number, window: GuestWindow, page: number): number {
    const words = this.words;
    words[OPCODE] = opcode;
    words[LIOBN] = window.liobn;
    const { pageShift } = window;
    if (window.firstLo === 0 && page <= 0x7fff_ffff && pageShift < 32) {
      // Integers stay integers. Of two shifts, as one by 32 shifts nothing.
      words[IOBA_HI] = window.firstHi + ((page >>> 1) >>> (31 - pageShift));
      words[IOBA_LO] = page << pageShift;
    } else {
      this.#setFar(window, page);
    }
    return this.machine.hcall(words);
  }

  /** The bus address of any page. */
  #setFar({ pageSize, firstHi, firstLo }: GuestWindow, page: number): void {
    // A number of pages times a power of two is exact, even above 2^53.
    const byte = page * pageSize;
    const lo = firstLo + (byte >>> 0);
    this.words[IOBA_HI] = firstHi + Math.floor(byte / TWO32) + (lo >= TWO32 ? 1 : 0);
    this.words[IOBA_LO] = lo;
  }
}
