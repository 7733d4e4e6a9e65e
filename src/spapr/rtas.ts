import { FirstError } from "../base/first-error.ts";
import { hiOf, loOf, toBig } from "../base/u64.ts";
import type { SpaprEnvironment } from "./environment.ts";
import type { RecordValues, RuleId } from "./observer.ts";
import { HStatus, RtasStatus } from "./papr.ts";
import { refuseCall } from "./refuse.ts";
import type { TraceEvent } from "./trace-events.ts";

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
 *
 * Arguments are read when they are asked for: a handler asks for all before
 * it does something that callbacks are notified of.
 */
export class RtasCall {
  readonly token: number;
  readonly nargs: number;
  readonly nret: number;
  readonly #env: SpaprEnvironment;
  readonly #address: bigint;
  readonly #cell = new Uint32Array(1);
  /** What callbacks threw: the call is done to its end all the same. */
  readonly errors: FirstError = new FirstError();

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

  /** Arguments `index` and the one after it as the high and low half of a value. */
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

  /** Refuses the call, and explains it to whoever listens. */
  refuse(name: string, status: number, rule: string, id: RuleId, values: () => RecordValues): number {
    this.errors.attempt(() => refuseCall(this.#env, name, status, { rule, id }, values));
    return status;
  }

  /** Makes a trace event. */
  trace(event: TraceEvent): void {
    this.errors.attempt(() => this.#env.observer.trace?.(event));
  }

  /** The numbers of argument and return cells are wrong. */
  refuseCounts(name: string): number {
    const rule = "the numbers of argument and return cells are wrong";
    const { nargs, nret } = this;
    return this.refuse(name, RtasStatus.PARAM_ERROR, rule, "QEMU-RTAS-3", () => ({ nargs, nret }));
  }

  #read(cell: number): number {
    const address = (this.#address + BigInt(cell * 4)) & ADDRESS_MASK;
    this.#env.systemMemory.readCells(hiOf(address), loOf(address), this.#cell, 1);
    return this.#cell[0]!;
  }
}

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
   *
   * @throws what a callback threw first, when the call is done
   */
  call(address: bigint): number {
    const call = new RtasCall(this.#env, address);
    const handler = this.#handlers.get(call.token);
    if (handler !== undefined) {
      call.ret(0, handler(call));
      call.errors.rethrow();
      return HStatus.SUCCESS;
    }
    call.ret(0, RtasStatus.PARAM_ERROR);
    const { token } = call;
    const rule = "no RTAS call has this token";
    return refuseCall(this.#env, "H_RTAS", HStatus.PARAMETER, { rule, id: "QEMU-RTAS-2" }, () => ({ token }));
  }
}
