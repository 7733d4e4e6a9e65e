import { checkedAddress, checkedNumber } from "../base/checked.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import { Hcall } from "./papr.ts";

/** The largest value of a cell of an RTAS call. */
const CELL_MAX = 0xffff_ffff;
/**
 * The most argument or return cells of `Machine.rtas`; no RTAS call has nearly as many.
 *
 * @public
 */
export const MAX_RTAS_CELLS = 1024;

/** What an RTAS call needs of its machine. */
interface RtasCaller {
  readonly systemMemory: AddressSpace;
  call(opcode: number, address: bigint): unknown;
}

/** An RTAS call as plain numbers. */
interface PlainRtasCall {
  readonly token: number;
  readonly args: readonly number[];
  /** How many return cells there are. */
  readonly nret: number;
  /** Where in guest memory the argument block may lie. */
  readonly address: bigint;
}

/**
 * Makes an RTAS call through an argument block in guest memory, which is as it
 * was afterwards: a callback may make such a call, too.
 *
 * @returns the return cells; the first one is the status, as a signed number
 * @throws IommuError BAD_ARGUMENT or OUT_OF_RANGE for values that do not fit into cells
 */
export function callRtas(machine: RtasCaller, { token, args, nret, address }: PlainRtasCall): number[] {
  const { systemMemory } = machine;
  checkedNumber(token, "RTAS token", 0, CELL_MAX);
  checkedNumber(args.length, "RTAS argument count", 0, MAX_RTAS_CELLS);
  checkedNumber(nret, "RTAS return count", 0, MAX_RTAS_CELLS);
  for (const [i, arg] of args.entries()) checkedNumber(arg, `RTAS argument ${i}`, 0, CELL_MAX);
  checkedAddress(address, "address of an RTAS block");
  const cells = [token, args.length, nret, ...args, ...new Array<number>(nret).fill(0)];
  const block = new DataView(new ArrayBuffer(cells.length * 4));
  cells.forEach((cell, i) => {
    block.setUint32(i * 4, cell);
  });
  const bytes = new Uint8Array(block.buffer);
  const before = new Uint8Array(bytes.length);
  systemMemory.read(address, before, null);
  systemMemory.write(address, bytes, null);
  try {
    machine.call(Hcall.RTAS, address);
    systemMemory.read(address, bytes, null);
  } finally {
    systemMemory.write(address, before, null);
  }
  return Array.from({ length: nret }, (_, i) => {
    const at = (3 + args.length + i) * 4;
    return i === 0 ? block.getInt32(at) : block.getUint32(at);
  });
}
