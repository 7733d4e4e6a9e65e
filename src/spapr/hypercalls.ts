/**
 * The four TCE hypercalls.
 *
 * A handler takes the registers r3 to r12 in halves, returns the status and writes results into
 * them. Each follows the order of checks of QEMU (docs/behaviour.md, Hypercalls);
 * the recordings of hypercalls hold every one of them. What a callback throws is
 * thrown when the call is done, and its trace event is made.
 *
 * @module
 */

import { FirstError } from "../base/first-error.ts";
import { TWO32, toBig } from "../base/u64.ts";
import { TCE_PERM_MASK } from "../tce/tce.ts";
import type { DmaWindow } from "./dma-window.ts";
import type { SpaprEnvironment } from "./environment.ts";
import { Hcall, HStatus, LIST_ALIGN_MASK, MAX_LIST_ENTRIES } from "./papr.ts";
import { refuse, refuseIoba, refuseLiobn } from "./refuse.ts";
import { fillEntries, putEntries, putEntry } from "./window-entries.ts";

// Where the arguments r4 to r7 lie: high half, the low one behind it.
const R4 = 2;
const R5 = 4;
const R6 = 6;
const R7 = 8;

// V8 folds a constant of the module itself, but loads an imported one each time.
const { PUT_TCE, STUFF_TCE } = Hcall;
const { SUCCESS } = HStatus;

/**
 * Does what busy drivers do all the time: an H_PUT_TCE or an H_STUFF_TCE of one
 * page that nothing is to be refused or traced of; for profiles whose entries
 * may point anywhere. It is short, so that V8 makes one function of all calls
 * below it.
 *
 * @returns false if nothing was done
 */
export function putPage(env: SpaprEnvironment, regs: Uint32Array): boolean {
  // The halves of r3 to r7 are 0 to 9, the high ones first; plain numbers, as the use of a constant is longer.
  const opcode = regs[1];
  const isPage = opcode === PUT_TCE || (opcode === STUFF_TCE && regs[9] === 1 && regs[8] === 0);
  if (!isPage || regs[0] !== 0) return false;
  const window = env.liobns.find(regs[2]!, regs[3]!);
  if (window === undefined || env.observer.trace !== null) return false;
  const { geometry, iommu } = window;
  const index = geometry.indexOf(regs[4]!, regs[5]!);
  if (index > geometry.last) return false;
  // Signed halves: V8 keeps those as small integers.
  const hi = regs[6]! | 0;
  const lo = regs[7]! | 0;
  // `putEntry`, written out, as each call makes it longer. (`=== true` as in `Machine.hcall`.)
  window.table!.put(index, hi, lo);
  if (iommu.isHeard === true) iommu.notify(geometry.page, index, 1, hi, lo);
  return true;
}

/**
 * H_PUT_TCE: r4 LIOBN, r5 I/O bus address, r6 TCE.
 *
 * The low bits of the address are ignored (QEMU-TCE-2); the entry is stored verbatim (QEMU-TCE-3).
 */
export function hPutTce(env: SpaprEnvironment, regs: Uint32Array): number {
  const window = env.liobns.find(regs[R4]!, regs[R4 + 1]!);
  const errors = new FirstError();
  let status: number = SUCCESS;
  if (window === undefined) {
    status = refuseLiobn(env, "H_PUT_TCE", regs[R4]!, regs[R4 + 1]!);
  } else {
    const { geometry } = window;
    const index = geometry.indexOf(regs[R5]!, regs[R5 + 1]!);
    if (index >= geometry.entries) {
      status = refuseIoba(env, "H_PUT_TCE", window, regs[R5]!, regs[R5 + 1]!);
    } else if (!env.profile.anyTarget && !isMemory(env, window, regs[R6]!, regs[R6 + 1]!)) {
      status = refuseTarget(env, "H_PUT_TCE", regs[R6]!, regs[R6 + 1]!);
    } else {
      errors.attempt(() => putEntry(window, index, regs[R6]!, regs[R6 + 1]!));
    }
  }
  errors.attempt(() => tracePut(env, window, regs, status));
  errors.rethrow();
  return status;
}

/** H_GET_TCE: r4 LIOBN, r5 I/O bus address; the TCE in r4. On failure r4 keeps the LIOBN (QEMU-GET-1). */
export function hGetTce(env: SpaprEnvironment, regs: Uint32Array): number {
  const liobnHi = regs[R4]!;
  const liobnLo = regs[R4 + 1]!;
  const window = env.liobns.find(liobnHi, liobnLo);
  let status: number = SUCCESS;
  if (window === undefined) {
    status = refuseLiobn(env, "H_GET_TCE", liobnHi, liobnLo);
  } else {
    const { geometry } = window;
    const index = geometry.indexOf(regs[R5]!, regs[R5 + 1]!);
    if (index >= geometry.entries) {
      status = refuseIoba(env, "H_GET_TCE", window, regs[R5]!, regs[R5 + 1]!);
    } else {
      const table = window.table!;
      table.load(index);
      regs[R4] = table.hi;
      regs[R4 + 1] = table.lo;
    }
  }
  if (env.observer.trace !== null) {
    const tce = status === SUCCESS ? toBig(regs[R4]!, regs[R4 + 1]!) : 0n;
    env.observer.trace({
      name: isPci(liobnLo) ? "spapr_iommu_pci_get" : "spapr_iommu_get",
      liobn: toBig(liobnHi, liobnLo),
      ioba: pageAddress(window, regs),
      ret: status,
      tce,
    });
  }
  return status;
}

/**
 * H_PUT_TCE_INDIRECT: r4 LIOBN, r5 I/O bus address, r6 guest address of up to
 * 512 big-endian TCEs, r7 their number.
 *
 * QEMU stops at the first address outside of the window, and what was stored
 * stays (QEMU-TCE-5). PAPR checks everything first (PAPR-TCE-4, quirk `partialEffects`).
 */
export function hPutTceIndirect(env: SpaprEnvironment, regs: Uint32Array): number {
  const call = "H_PUT_TCE_INDIRECT";
  const window = env.liobns.find(regs[R4]!, regs[R4 + 1]!);
  if (window === undefined) return refuseLiobn(env, call, regs[R4]!, regs[R4 + 1]!);
  const count = regs[R7 + 1]!;
  if (regs[R7]! !== 0 || count > MAX_LIST_ENTRIES) {
    return refuse(
      env,
      call,
      HStatus.PARAMETER,
      "more than 512 entries",
      "PAPR-INDIRECT-1",
      "npages",
      regs[R7]!,
      count,
    );
  }
  if ((regs[R6 + 1]! & LIST_ALIGN_MASK) !== 0) {
    const rule = "the list does not begin on a 4 KiB boundary";
    return refuse(env, call, HStatus.PARAMETER, rule, "PAPR-INDIRECT-2", "list", regs[R6]!, regs[R6 + 1]!);
  }
  let status: number;
  let stored = 0;
  const errors = new FirstError();
  const list = env.lists.take();
  if (count === 0) {
    status = refuseEmpty(env, call);
  } else {
    const readable = env.systemMemory.readCells(regs[R6]!, regs[R6 + 1]!, list, count * 2);
    const index = window.geometry.indexOf(regs[R5]!, regs[R5 + 1]!);
    status = checkList(env, window, regs, list, index, count, readable);
    if (status === SUCCESS) {
      stored = putEntries(window, index, list, count, errors);
      if (stored < count) {
        status = HStatus.PARAMETER;
        errors.attempt(() => refuseIoba(env, call, window, regs[R5]!, regs[R5 + 1]!));
      }
    }
  }
  if (env.observer.trace !== null) {
    // The trace shows the entry read last: the failing one, if there is one (QEMU-TRACE-2).
    const last = Math.min(stored, Math.max(count - 1, 0));
    const tce = count === 0 ? 0n : toBig(list[last * 2]!, list[last * 2 + 1]!);
    errors.attempt(() =>
      env.observer.trace?.({
        name: window.isPci ? "spapr_iommu_pci_indirect" : "spapr_iommu_indirect",
        liobn: BigInt(window.liobn),
        ioba: toBig(regs[R5]!, regs[R5 + 1]!),
        list: toBig(regs[R6]!, regs[R6 + 1]!),
        last: BigInt(Math.max(stored - 1, 0)),
        tce,
        ret: status,
      }),
    );
  }
  env.lists.giveBack(list);
  errors.rethrow();
  return status;
}

/**
 * H_STUFF_TCE: r4 LIOBN, r5 I/O bus address, r6 TCE for all pages, r7 their number.
 *
 * The number is compared with the whole table, not with what is left behind the
 * address (QEMU-STUFF-1).
 */
export function hStuffTce(env: SpaprEnvironment, regs: Uint32Array): number {
  const call = "H_STUFF_TCE";
  const window = env.liobns.find(regs[R4]!, regs[R4 + 1]!);
  if (window === undefined) return refuseLiobn(env, call, regs[R4]!, regs[R4 + 1]!);
  const count = regs[R7 + 1]!;
  if (!env.profile.stuffWholeTable && (regs[R7]! !== 0 || count > MAX_LIST_ENTRIES)) {
    return refuse(env, call, HStatus.P4, "more than 512 entries", "PAPR-STUFF-1", "npages", regs[R7]!, count);
  }
  if (regs[R7]! !== 0 || count > window.entries) {
    return refuse(
      env,
      call,
      HStatus.PARAMETER,
      "more pages than the window has",
      "QEMU-STUFF-1",
      "npages",
      regs[R7]!,
      count,
    );
  }
  let status: number;
  let stored = 0;
  const errors = new FirstError();
  if (count === 0) {
    status = refuseEmpty(env, call);
  } else {
    const index = window.geometry.indexOf(regs[R5]!, regs[R5 + 1]!);
    status = checkFill(env, window, regs, index, count);
    if (status === SUCCESS) {
      stored = fillEntries(window, index, count, regs[R6]!, regs[R6 + 1]!, errors);
      if (stored < count) {
        status = HStatus.PARAMETER;
        errors.attempt(() => refuseIoba(env, call, window, regs[R5]!, regs[R5 + 1]!));
      }
    }
  }
  if (env.observer.trace !== null) {
    const behind = pageAddress(window, regs) + (BigInt(stored) << BigInt(window.pageShift));
    errors.attempt(() =>
      env.observer.trace?.({
        name: window.isPci ? "spapr_iommu_pci_stuff" : "spapr_iommu_stuff",
        liobn: BigInt(window.liobn),
        ioba: BigInt.asUintN(64, behind),
        tce: toBig(regs[R6]!, regs[R6 + 1]!),
        pages: BigInt(count),
        ret: status,
      }),
    );
  }
  errors.rethrow();
  return status;
}

function refuseEmpty(env: SpaprEnvironment, call: string): number {
  const status = env.profile.emptyListStatus;
  if (status === SUCCESS) return status;
  return refuse(env, call, status, "no entries", "QEMU-TCE-6", "npages", 0, 0);
}

/** The checks that come before anything is stored; QEMU has none. */
function checkList(
  env: SpaprEnvironment,
  window: DmaWindow,
  regs: Uint32Array,
  list: Uint32Array,
  index: number,
  count: number,
  readable: boolean,
): number {
  const call = "H_PUT_TCE_INDIRECT";
  const { profile } = env;
  if (!profile.partialEffects && index + count > window.entries) {
    return refuseIoba(env, call, window, regs[R5]!, regs[R5 + 1]!);
  }
  if (!profile.unreadableListIsZero && !readable) {
    const rule = "the list is not in memory";
    return refuse(env, call, HStatus.PARAMETER, rule, "PAPR-INDIRECT-3", "list", regs[R6]!, regs[R6 + 1]!);
  }
  if (!profile.anyTarget) {
    for (let i = 0; i < count; i++) {
      const hi = list[i * 2]!;
      const lo = list[i * 2 + 1]!;
      if (!isMemory(env, window, hi, lo)) return refuseTarget(env, call, hi, lo);
    }
  }
  return SUCCESS;
}

function checkFill(
  env: SpaprEnvironment,
  window: DmaWindow,
  regs: Uint32Array,
  index: number,
  count: number,
): number {
  const call = "H_STUFF_TCE";
  if (!env.profile.partialEffects && index + count > window.entries) {
    return refuseIoba(env, call, window, regs[R5]!, regs[R5 + 1]!);
  }
  if (!env.profile.anyTarget && !isMemory(env, window, regs[R6]!, regs[R6 + 1]!)) {
    return refuseTarget(env, call, regs[R6]!, regs[R6 + 1]!);
  }
  return SUCCESS;
}

/** Does an entry point at memory of the guest, with all of its page? Entries without permission always pass. */
function isMemory(env: SpaprEnvironment, window: DmaWindow, hi: number, lo: number): boolean {
  if ((lo & TCE_PERM_MASK) === 0) return true;
  const { page } = window;
  const bytes = page.sizeHi * TWO32 + page.sizeLo;
  return env.systemMemory.isMemory(hi & page.maskHi, lo & page.maskLo, bytes);
}

const refuseTarget = (env: SpaprEnvironment, call: string, hi: number, lo: number): number =>
  refuse(
    env,
    call,
    HStatus.PARAMETER,
    "the entry points outside of the partition's memory",
    "PAPR-TCE-3",
    "tce",
    hi,
    lo,
  );

const isPci = (liobnLo: number): boolean => liobnLo >>> 31 === 1;

/** The address in r5 as the trace shows it: rounded down to a page, unless there is no window to tell its size. */
function pageAddress(window: DmaWindow | undefined, regs: Uint32Array): bigint {
  const address = toBig(regs[R5]!, regs[R5 + 1]!);
  return window === undefined ? address : (address >> BigInt(window.pageShift)) << BigInt(window.pageShift);
}

function tracePut(
  env: SpaprEnvironment,
  window: DmaWindow | undefined,
  regs: Uint32Array,
  status: number,
): void {
  env.observer.trace?.({
    name: isPci(regs[R4 + 1]!) ? "spapr_iommu_pci_put" : "spapr_iommu_put",
    liobn: toBig(regs[R4]!, regs[R4 + 1]!),
    ioba: pageAddress(window, regs),
    tce: toBig(regs[R6]!, regs[R6 + 1]!),
    ret: status,
  });
}
