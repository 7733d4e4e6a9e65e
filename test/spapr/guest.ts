import { hiOf, loOf, toBig } from "../../src/base/u64.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { MachineConfig } from "../../src/spapr/machine-config.ts";
import type { Hazard, Refusal } from "../../src/spapr/observer.ts";
import { buidOf, Hcall, RTAS_NAMES } from "../../src/spapr/papr.ts";
import { formatTraceEvent } from "../../src/spapr/trace-events.ts";

/** Where RTAS argument blocks and lists of TCEs lie. */
const RTAS_AT = 0x9000n;
export const LIST_AT = 0x20_0000n;
const POISON = 0xdead_beef;

/** LIOBNs of the windows of bridge 0. */
export const WIN0 = 0x8000_0000n;
export const WIN1 = 0x8000_0001n;
/** Start of the second window by default. */
export const HIGH = 1n << 59n;

/** A guest that makes calls, and hears everything the machine has to tell about them. */
export class Guest {
  readonly machine: Machine;
  readonly refusals: Refusal[] = [];
  readonly hazards: Hazard[] = [];
  /** Trace events as lines of QEMU's log. */
  readonly log: string[] = [];

  constructor(config: MachineConfig = {}) {
    this.machine = new Machine(config);
    const { observer } = this.machine;
    observer.refusal = (refusal) => this.refusals.push(refusal);
    observer.hazard = (hazard) => this.hazards.push(hazard);
    observer.trace = (event) => this.log.push(formatTraceEvent(event));
  }

  put(liobn: bigint, ioba: bigint, tce: bigint): number {
    return this.machine.call(Hcall.PUT_TCE, liobn, ioba, tce).status;
  }

  /** The entry, or the status if there is none. */
  get(liobn: bigint, ioba: bigint): bigint | number {
    const { status, registers } = this.machine.call(Hcall.GET_TCE, liobn, ioba);
    return status === 0 ? registers.get(4) : status;
  }

  stuff(liobn: bigint, ioba: bigint, tce: bigint, npages: bigint | number): number {
    return this.machine.call(Hcall.STUFF_TCE, liobn, ioba, tce, npages).status;
  }

  /** Writes the list to {@link LIST_AT} and stores it. */
  indirect(liobn: bigint, ioba: bigint, list: readonly bigint[], npages: number = list.length): number {
    this.writeCells(
      LIST_AT,
      list.flatMap((tce) => [hiOf(tce), loOf(tce)]),
    );
    return this.indirectAt(liobn, ioba, LIST_AT, npages);
  }

  /** Stores whatever list lies at `at`. */
  indirectAt(liobn: bigint, ioba: bigint, at: bigint, npages: bigint | number): number {
    return this.machine.call(Hcall.PUT_TCE_INDIRECT, liobn, ioba, at, npages).status;
  }

  /** An RTAS call; return cells that it leaves alone are null. */
  rtas(
    call: string | number,
    args: readonly number[],
    nret: number,
    nargs: number = args.length,
    at: bigint = RTAS_AT,
  ): { hret: number; rets: (number | null)[] } {
    const token = typeof call === "number" ? call : RTAS_NAMES[call]!;
    const rets = new Array<number>(Math.max(nret, 1)).fill(POISON);
    const place = at & 0x0fff_ffff_ffff_ffffn;
    this.writeCells(place, [token, nargs, nret, ...args, ...rets]);
    const hret = this.machine.call(Hcall.RTAS, at).status;
    const after = this.readCells(place + BigInt(12 + 4 * nargs), rets.length);
    return { hret, rets: after.map((cell) => (cell === POISON ? null : cell | 0)) };
  }

  #pe(phb: number): [number, number, number] {
    return [0, hiOf(buidOf(phb)), loOf(buidOf(phb))];
  }

  query(nret = 5, phb = 0): (number | null)[] {
    return this.rtas("ibm,query-pe-dma-window", this.#pe(phb), nret).rets;
  }

  /** `[status]`, or `[0, liobn, address]`. */
  create(pageShift: number, windowShift: number, phb = 0): (number | bigint)[] {
    const { rets } = this.rtas("ibm,create-pe-dma-window", [...this.#pe(phb), pageShift, windowShift], 4);
    const [status, liobn, hi, lo] = rets;
    return liobn === null ? [status!] : [status!, BigInt(liobn! >>> 0), toBig(hi!, lo!)];
  }

  remove(liobn: bigint): number {
    return this.rtas("ibm,remove-pe-dma-window", [Number(liobn)], 1).rets[0]!;
  }

  resetWindows(phb = 0): number {
    return this.rtas("ibm,reset-pe-dma-window", this.#pe(phb), 1).rets[0]!;
  }

  writeCells(at: bigint, cells: readonly number[]): void {
    const bytes = new Uint8Array(cells.length * 4);
    const view = new DataView(bytes.buffer);
    cells.forEach((cell, i) => {
      view.setUint32(i * 4, cell);
    });
    this.machine.systemMemory.write(at, bytes, null);
  }

  readCells(at: bigint, count: number): number[] {
    const bytes = new Uint8Array(count * 4);
    this.machine.systemMemory.read(at, bytes, null);
    const view = new DataView(bytes.buffer);
    return Array.from({ length: count }, (_, i) => view.getUint32(i * 4));
  }
}
