/**
 * The handlers in the kernel, by the rules KVM-TABLE-3 to KVM-TABLE-5 (which
 * table, which address), KVM-PUT-1 and KVM-PUT-2, KVM-GET-1, KVM-INDIRECT-1 to
 * KVM-INDIRECT-5, KVM-STUFF-1 to KVM-STUFF-3.
 *
 * @module
 */

import { TWO32 } from "../base/u64.ts";
import { H_TOO_HARD } from "../spapr/accelerator.ts";
import { Hcall, LIST_ALIGN_MASK, MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { TCE_PERM_MASK } from "../tce/tce.ts";
import type { GuestTable } from "./guest-table.ts";
import type { GuestTables } from "./guest-tables.ts";
import { H_PARAMETER, H_SUCCESS, type HandlerStatus } from "./handler-status.ts";
import type { MemorySlots } from "./memory-slots.ts";
import { type HostTable, type KvmProcess, NOT_ACCEPTED } from "./ports.ts";
import { TceLists } from "./tce-lists.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const PERM_MASK = TCE_PERM_MASK;
const { GET_TCE, PUT_TCE_INDIRECT } = Hcall;

// Where the registers r3 to r7 lie: high half, the low one behind it.
const R3 = 0;
const R4 = 2;
const R5 = 4;
const R6 = 6;
const R7 = 8;

/**
 * A multi-page call that begins inside of a table and ends behind its last
 * page of entries. The real system has no defined answer; here the call is
 * H_PARAMETER, as PAPR has it, and changes nothing (KVM-TABLE-5).
 */
export interface KvmHazard {
  readonly id: "KVM-TABLE-5";
  readonly rule: "range-past-table";
  readonly call: "H_PUT_TCE_INDIRECT" | "H_STUFF_TCE";
  readonly index: number;
  readonly pages: number;
}

/** What the handlers work on. */
export interface HandlerContext {
  readonly process: KvmProcess;
  readonly slots: MemorySlots;
  readonly tables: GuestTables;
  onHazard(hazard: KvmHazard): void;
}

/**
 * KVM's handlers of the four TCE hypercalls, in virtual mode as Linux 6.1 and
 * 6.12 have them. `regs` are the registers r3 to r12 in halves; nothing is
 * allocated per call, but for a {@link PageRoute} where there is another slot. The order of the checks is the kernel's.
 */
export class TceHypercalls {
  // No private names where most calls come by: those make bytecode longer (see TceTable).
  protected readonly slots: MemorySlots;
  protected readonly tables: GuestTables;
  readonly #context: HandlerContext;
  readonly #lists: TceLists;

  constructor(context: HandlerContext) {
    this.slots = context.slots;
    this.tables = context.tables;
    this.#context = context;
    this.#lists = new TceLists(context.process, context.slots);
  }

  /**
   * H_PUT_TCE: r4 LIOBN, r5 I/O bus address, r6 TCE. Without permission bits
   * any value is stored; with them the address must be memory.
   *
   * What most calls run is short, so that V8 makes one function of it and all that calls it.
   */
  put(regs: Uint32Array): HandlerStatus {
    // Plain numbers, as the use of a constant is longer.
    const table = this.tables.find(regs[2]!, regs[3]!);
    if (table === undefined) return H_TOO_HARD;
    const index = table.indexOf(regs[4]!, regs[5]!);
    if (index > table.last) return H_PARAMETER;
    const hi = regs[6]! | 0;
    const lo = regs[7]! | 0;
    const { route } = table;
    return route?.overwrite(index, hi, lo) && table.entries.overwrite(index, hi, lo)
      ? H_SUCCESS
      : putOther(table, this.slots, index, hi, lo);
  }

  /** The hypercall of the number in r3, which is one of the other three. */
  callOther(regs: Uint32Array): HandlerStatus {
    const opcode = regs[R3 + 1]!;
    if (opcode === GET_TCE) return getTce(this.#context, regs);
    if (opcode === PUT_TCE_INDIRECT) return putTceIndirect(this.#context, this.#lists, regs);
    return stuffTce(this.#context, regs);
  }
}

/** H_PUT_TCE of any entry. */
function putOther(
  table: GuestTable,
  slots: MemorySlots,
  index: number,
  hi: number,
  lo: number,
): HandlerStatus {
  const isFollowed = (lo & PERM_MASK) === 0 ? unmapFromAll(table, index) : map(table, slots, index, hi, lo);
  if (!isFollowed) return H_TOO_HARD;
  table.entries.put(index, hi, lo);
  return H_SUCCESS;
}

/** H_PUT_TCE with permission bits: the address must be memory. */
function map(table: GuestTable, slots: MemorySlots, index: number, hi: number, tce: number): boolean {
  const lo = tce & ~PERM_MASK;
  if (!table.isOnPage(hi, lo)) return false;
  const slot = slots.find(hi, lo);
  if (slot === undefined) return false;
  const { attached } = table;
  if (attached.length === 0) return true;
  const vaddrHi = slot.map.targetHi(hi, lo);
  const vaddrLo = slot.map.targetLo(lo);
  const permission = tce & PERM_MASK;
  if (attached.length > 1) return mapInAll(attached, index, vaddrHi, vaddrLo, permission);
  if (!mapIn(attached[0]!, index, vaddrHi, vaddrLo, permission)) return false;
  table.route = attached[0]!.routeOf(slot, table.route);
  return true;
}

/** Maps a page in one table of the host; if it cannot be mapped nothing is left of it. */
function mapIn(
  host: HostTable,
  index: number,
  vaddrHi: number,
  vaddrLo: number,
  permission: number,
): boolean {
  const answer = host.mapPage(index, vaddrHi, vaddrLo, permission);
  if (answer !== 0 && answer !== NOT_ACCEPTED) host.clear(index, 1);
  return answer === 0;
}

/**
 * All tables must accept a page, then all follow. The first one is asked as it
 * maps, before it changes anything.
 */
function mapInAll(
  attached: readonly HostTable[],
  index: number,
  vaddrHi: number,
  vaddrLo: number,
  permission: number,
): boolean {
  for (let i = 1; i < attached.length; i++) if (!attached[i]!.acceptsPage(vaddrHi, vaddrLo)) return false;
  return attached.every((host) => mapIn(host, index, vaddrHi, vaddrLo, permission));
}

/** H_PUT_TCE without permission bits. */
function unmapFromAll({ attached }: GuestTable, index: number): boolean {
  for (let i = 0; i < attached.length; i++) {
    if (attached[i]!.unmap(index, 1)) continue;
    attached[i]!.clear(index, 1);
    return false;
  }
  return true;
}

/** H_GET_TCE: r4 LIOBN, r5 I/O bus address; what the guest put, in r4, which stays as it is on failure. */
function getTce({ tables }: HandlerContext, regs: Uint32Array): HandlerStatus {
  const table = tables.find(regs[R4]!, regs[R4 + 1]!);
  if (table === undefined) return H_TOO_HARD;
  const index = table.indexOf(regs[R5]!, regs[R5 + 1]!);
  if (index > table.last) return H_PARAMETER;
  const { entries } = table;
  entries.load(index);
  regs[R4] = entries.hi;
  regs[R4 + 1] = entries.lo;
  return H_SUCCESS;
}

/**
 * H_PUT_TCE_INDIRECT: r4 LIOBN, r5 I/O bus address, r6 guest address of a
 * list, r7 its entries. All entries are checked, then all are stored. An
 * entry without permission bits passes the first check whatever it holds, and
 * is H_PARAMETER in the second one if it is no memory: the entries before it
 * are stored then.
 */
function putTceIndirect(context: HandlerContext, lists: TceLists, regs: Uint32Array): HandlerStatus {
  const table = context.tables.find(regs[R4]!, regs[R4 + 1]!);
  if (table === undefined) return H_TOO_HARD;
  const pages = regs[R7 + 1]!;
  if (regs[R7] !== 0 || pages > MAX_LIST_ENTRIES) return H_PARAMETER;
  const hi = regs[R6]!;
  const lo = regs[R6 + 1]!;
  if ((lo & LIST_ALIGN_MASK) !== 0) return H_PARAMETER;
  const index = table.indexOf(regs[R5]!, regs[R5 + 1]!);
  if (index > table.last) return H_PARAMETER;
  const slot = context.slots.find(hi, lo);
  if (slot === undefined) return H_TOO_HARD;
  if (runsOut(context, table, "H_PUT_TCE_INDIRECT", index, pages)) return H_PARAMETER;

  const vaddr = (slot.map.targetHi(hi, lo) >>> 0) * TWO32 + (slot.map.targetLo(lo) >>> 0); // user addresses end at 2^52
  return lists.put(table, index, vaddr, pages);
}

/** H_STUFF_TCE: r4 LIOBN, r5 I/O bus address, r6 a value without permission bits for r7 entries. */
function stuffTce(context: HandlerContext, regs: Uint32Array): HandlerStatus {
  const table = context.tables.find(regs[R4]!, regs[R4 + 1]!);
  if (table === undefined) return H_TOO_HARD;
  const index = table.indexOf(regs[R5]!, regs[R5 + 1]!);
  if (index > table.last) return H_PARAMETER;
  if ((regs[R6 + 1]! & PERM_MASK) !== 0) return H_PARAMETER;
  const pages = regs[R7]! * TWO32 + regs[R7 + 1]!; // above 2^53 it is too large, exact or not
  if (runsOut(context, table, "H_STUFF_TCE", index, pages)) return H_PARAMETER;
  for (const host of table.attached) if (!host.unmap(index, pages)) return H_TOO_HARD;
  table.entries.fill(index, pages, regs[R6]!, regs[R6 + 1]!);
  return H_SUCCESS;
}

function runsOut(
  { onHazard }: HandlerContext,
  table: GuestTable,
  call: KvmHazard["call"],
  index: number,
  pages: number,
): boolean {
  let end = table.entries.length;
  // A table of the host may end before the last page of the guest's does.
  for (const host of table.attached) end = Math.min(end, host.length);
  if (index + pages <= end) return false;
  onHazard({ id: "KVM-TABLE-5", rule: "range-past-table", call, index, pages });
  return true;
}
