/**
 * The handlers in the kernel, by the rules KVM-TABLE-3 to KVM-TABLE-5 (which
 * table, which address), KVM-PUT-1 and KVM-PUT-2, KVM-GET-1, KVM-INDIRECT-1 to
 * KVM-INDIRECT-5, KVM-STUFF-1 to KVM-STUFF-3.
 *
 * @module
 */

import { pageOf, TWO32 } from "../base/u64.ts";
import { H_TOO_HARD } from "../spapr/accelerator.ts";
import { HStatus, LIST_ALIGN_MASK, MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { TCE_PERM_MASK } from "../tce/tce.ts";
import type { GuestTable } from "./guest-table.ts";
import type { MemorySlots } from "./memory-slots.ts";
import type { HostTable, KvmProcess } from "./ports.ts";

const H_SUCCESS: typeof HStatus.SUCCESS = HStatus.SUCCESS;
const H_PARAMETER: typeof HStatus.PARAMETER = HStatus.PARAMETER;

/** What a handler answers. */
export type HandlerStatus = typeof H_SUCCESS | typeof H_PARAMETER | typeof H_TOO_HARD;

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
  /** The table of a logical bus, or undefined. */
  tableOf(liobnHi: number, liobnLo: number): GuestTable | undefined;
  onHazard(hazard: KvmHazard): void;
}

/**
 * KVM's handlers of the four TCE hypercalls, in virtual mode as Linux 6.1 and
 * 6.12 have them. Arguments are 64-bit registers in halves; nothing is
 * allocated per call. The order of the checks is the kernel's.
 */
export class TceHypercalls {
  /** R4 of the last successful {@link getTce}. */
  hi = 0;
  lo = 0;
  readonly #context: HandlerContext;
  readonly #list = new Uint32Array(MAX_LIST_ENTRIES * 2);

  constructor(context: HandlerContext) {
    this.#context = context;
  }

  /** H_PUT_TCE: without permission bits any value is stored; with them the address must be memory. */
  putTce(
    liobnHi: number,
    liobnLo: number,
    iobaHi: number,
    iobaLo: number,
    tceHi: number,
    tceLo: number,
  ): HandlerStatus {
    const table = this.#context.tableOf(liobnHi, liobnLo);
    if (table === undefined) return H_TOO_HARD;
    const index = indexOf(table, iobaHi, iobaLo);
    if (index < 0) return H_PARAMETER;
    const valid = (tceLo & TCE_PERM_MASK) !== 0;
    if (valid && !this.#isGood(table, tceHi, tceLo)) return H_TOO_HARD;
    for (const host of table.attached) {
      const done = valid
        ? this.#mapEntry(table, host, index, this.#context.slots.vaddrOf(tceHi, tceLo), tceLo)
        : host.unmap(hostIndex(table, host, index), hostIndex(table, host, 1));
      if (!done) return clearEntry(table, host, index);
    }
    table.entries.put(index, tceHi >>> 0, tceLo >>> 0);
    return H_SUCCESS;
  }

  /** H_GET_TCE: what the guest put, in {@link hi} and {@link lo}; they stay as they are on failure. */
  getTce(liobnHi: number, liobnLo: number, iobaHi: number, iobaLo: number): HandlerStatus {
    const table = this.#context.tableOf(liobnHi, liobnLo);
    if (table === undefined) return H_TOO_HARD;
    const index = indexOf(table, iobaHi, iobaLo);
    if (index < 0) return H_PARAMETER;
    table.entries.load(index);
    this.hi = table.entries.hi;
    this.lo = table.entries.lo;
    return H_SUCCESS;
  }

  /**
   * H_PUT_TCE_INDIRECT: all entries of the list are checked, then all are
   * stored. An entry without permission bits passes the first check whatever
   * it holds, and is H_PARAMETER in the second one if it is no memory: the
   * entries before it are stored then.
   */
  putTceIndirect(
    liobnHi: number,
    liobnLo: number,
    iobaHi: number,
    iobaLo: number,
    listHi: number,
    listLo: number,
    pagesHi: number,
    pagesLo: number,
  ): HandlerStatus {
    const { slots, process } = this.#context;
    const table = this.#context.tableOf(liobnHi, liobnLo);
    if (table === undefined) return H_TOO_HARD;
    if (pagesHi !== 0 || pagesLo > MAX_LIST_ENTRIES) return H_PARAMETER;
    if ((listLo & LIST_ALIGN_MASK) !== 0) return H_PARAMETER;
    const index = indexOf(table, iobaHi, iobaLo);
    if (index < 0) return H_PARAMETER;
    const vaddr = slots.vaddrOf(listHi, listLo);
    if (vaddr < 0) return H_TOO_HARD;
    if (this.#runsOut(table, "H_PUT_TCE_INDIRECT", index, pagesLo)) return H_PARAMETER;

    const list = this.#list;
    if (process.loadBigEndian(vaddr, list, pagesLo) < pagesLo) return H_TOO_HARD;
    for (let i = 0; i < pagesLo; i++) {
      const lo = list[i * 2 + 1]!;
      if ((lo & TCE_PERM_MASK) !== 0 && !this.#isGood(table, list[i * 2]!, lo)) return H_TOO_HARD;
    }
    let done = 0;
    let status: HandlerStatus = H_SUCCESS;
    for (; done < pagesLo && status === H_SUCCESS; done++) {
      status = this.#applyListEntry(table, index + done, list[done * 2]!, list[done * 2 + 1]!);
    }
    table.entries.putList(index, list, status === H_SUCCESS ? done : done - 1);
    return status;
  }

  /** H_STUFF_TCE: one value without permission bits in any number of entries. */
  stuffTce(
    liobnHi: number,
    liobnLo: number,
    iobaHi: number,
    iobaLo: number,
    tceHi: number,
    tceLo: number,
    pagesHi: number,
    pagesLo: number,
  ): HandlerStatus {
    const table = this.#context.tableOf(liobnHi, liobnLo);
    if (table === undefined) return H_TOO_HARD;
    const index = indexOf(table, iobaHi, iobaLo);
    if (index < 0) return H_PARAMETER;
    if ((tceLo & TCE_PERM_MASK) !== 0) return H_PARAMETER;
    const pages = pagesHi * TWO32 + pagesLo; // above 2^53 it is too large, exact or not
    if (this.#runsOut(table, "H_STUFF_TCE", index, pages)) return H_PARAMETER;
    for (const host of table.attached) {
      if (!host.unmap(hostIndex(table, host, index), hostIndex(table, host, pages))) return H_TOO_HARD;
    }
    table.entries.fill(index, pages, tceHi, tceLo);
    return H_SUCCESS;
  }

  /** Every entry of a list takes the way of a mapping, also one without permission bits. */
  #applyListEntry(table: GuestTable, index: number, hi: number, lo: number): HandlerStatus {
    const vaddr = this.#context.slots.vaddrOf(hi, lo);
    if (vaddr < 0) return H_PARAMETER;
    for (const host of table.attached) {
      if (!this.#mapEntry(table, host, index, vaddr, lo)) return clearEntry(table, host, index);
    }
    return H_SUCCESS;
  }

  /** May a TCE with permission bits be put? Aligned, memory, and good for every attached table. */
  #isGood(table: GuestTable, hi: number, lo: number): boolean {
    const { maskHi, maskLo } = table.entries.page;
    if ((lo & ~TCE_PERM_MASK & ~maskLo) !== 0 || (hi & ~maskHi) !== 0) return false;
    const vaddr = this.#context.slots.vaddrOf(hi, lo);
    if (vaddr < 0) return false;
    const target = vaddr - (lo & TCE_PERM_MASK);
    for (const host of table.attached) if (!host.accepts(target)) return false;
    return true;
  }

  #mapEntry(table: GuestTable, host: HostTable, index: number, vaddr: number, lo: number): boolean {
    const permission = lo & TCE_PERM_MASK;
    const target = vaddr - permission;
    return host.map(hostIndex(table, host, index), hostIndex(table, host, 1), target, permission);
  }

  #runsOut(table: GuestTable, call: KvmHazard["call"], index: number, pages: number): boolean {
    let end = table.entries.length;
    // A table of the host may end before the last page of the guest's does.
    for (const host of table.attached) end = Math.min(end, host.length / hostIndex(table, host, 1));
    if (index + pages <= end) return false;
    this.#context.onHazard({ id: "KVM-TABLE-5", rule: "range-past-table", call, index, pages });
    return true;
  }
}

/** Number of the entry for an I/O address; -1 if it is not on a page or outside of the window. */
function indexOf(table: GuestTable, iobaHi: number, iobaLo: number): number {
  const { maskHi, maskLo, shift } = table.entries.page;
  if ((iobaLo & ~maskLo) !== 0 || (iobaHi & ~maskHi) !== 0) return -1;
  return table.indexOf(pageOf(iobaHi, iobaLo, shift));
}

/** Entries of a host's table that `count` of the guest's take: its pages are never larger. */
const hostIndex = (table: GuestTable, host: HostTable, count: number): number =>
  count * 2 ** (table.entries.pageShift - host.pageShift);

/** Clears an entry that could not be changed, in the failing table only. */
function clearEntry(table: GuestTable, host: HostTable, index: number): HandlerStatus {
  host.clear(hostIndex(table, host, index), hostIndex(table, host, 1));
  return H_TOO_HARD;
}
