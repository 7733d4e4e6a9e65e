import { hiOf, loOf, toBig } from "../base/u64.ts";
import { readCells, type SpaprEnvironment } from "./environment.ts";
import { HStatus, RtasStatus } from "./papr.ts";

/** QEMU clears the top four bits of each cell's address (recorded in rtas-call). */
const ADDRESS_MASK = 0x0fff_ffff_ffff_ffffn;
const TOKEN = 0;
const NARGS = 1;
const NRET = 2;
const ARGS = 3;

/**
 * The argument block of an RTAS call in guest memory: 32-bit big-endian cells
 * `token, nargs, nret, args..., rets...`; the first return cell is the status.
 *
 * Nothing about the block is checked: cells outside of memory read as 0, and
 * writes to them vanish (QEMU-RTAS-1).
 */
export class RtasCall {
  readonly token: number;
  readonly nargs: number;
  readonly nret: number;
  readonly #env: SpaprEnvironment;
  readonly #address: bigint;

  constructor(env: SpaprEnvironment, address: bigint) {
    this.#env = env;
    this.#address = address;
    this.token = this.#read(TOKEN);
    this.nargs = this.#read(NARGS);
    this.nret = this.#read(NRET);
  }

  /** Argument cell `index`. */
  arg(index: number): number {
    return this.#read(ARGS + index);
  }

  /** Arguments `index` and the one behind it as the high and low half of a value. */
  arg64(index: number): bigint {
    return toBig(this.arg(index), this.arg(index + 1));
  }

  /** Stores return cell `index`; negative values as two's complement. */
  ret(index: number, value: number): void {
    const cell = new Uint8Array(4);
    new DataView(cell.buffer).setUint32(0, value);
    // 4 * nargs is computed in 32 bits.
    const at = BigInt(((this.nargs * 4) >>> 0) + (ARGS + index) * 4);
    this.#env.systemMemory.write((this.#address + at) & ADDRESS_MASK, cell, null);
  }

  #read(cell: number): number {
    const address = (this.#address + BigInt(cell * 4)) & ADDRESS_MASK;
    readCells(this.#env, hiOf(address), loOf(address), scratch, 1);
    return scratch[0]!;
  }
}

const scratch = new Uint32Array(1);

/** One RTAS call: returns the status, after it wrote the other return cells. */
export type RtasHandler = (call: RtasCall) => number;

/** The calls of a machine by token. */
export class RtasDispatcher {
  readonly #env: SpaprEnvironment;
  readonly #handlers = new Map<number, RtasHandler>();

  constructor(env: SpaprEnvironment) {
    this.#env = env;
  }

  register(token: number, handler: RtasHandler): void {
    this.#handlers.set(token, handler);
  }

  /**
   * Hypercall H_RTAS with the address of the argument block. It succeeds
   * whatever the call's own status is, but for an unknown token.
   */
  call(address: bigint): number {
    const call = new RtasCall(this.#env, address);
    const handler = this.#handlers.get(call.token);
    if (handler === undefined) {
      this.#env.observer.refusal?.({
        call: "H_RTAS",
        status: HStatus.PARAMETER,
        rule: "no RTAS call has this token",
        id: "QEMU-RTAS-2",
        source: "QEMU",
        values: { token: call.token },
      });
      call.ret(0, RtasStatus.PARAM_ERROR);
      return HStatus.PARAMETER;
    }
    call.ret(0, handler(call));
    return HStatus.SUCCESS;
  }
}
