/**
 * The four RTAS calls of dynamic DMA windows; each check names its rule.
 *
 * The config address of the PE is not validated, only traced: all devices
 * behind a bridge share its windows (QEMU-DDW-1).
 *
 * @module
 */

import { hex, maxBig } from "../base/u64.ts";
import type { DmaWindow } from "./dma-window.ts";
import type { SpaprEnvironment } from "./environment.ts";
import type { RecordValues } from "./observer.ts";
import { DDW_MAX_TCES, DDW_PAGE_BITS, RtasStatus, RtasToken } from "./papr.ts";
import type { PciHostBridge } from "./phb.ts";
import type { RtasCall, RtasDispatcher } from "./rtas.ts";

const { SUCCESS, HW_ERROR, PARAM_ERROR } = RtasStatus;

/** Finds the bridge with a BUID. */
export type FindPhb = (buid: bigint) => PciHostBridge | undefined;

/** Registers the calls; bridges are looked up at each call, as they may come and go. */
export function registerDdwCalls(
  rtas: RtasDispatcher,
  env: SpaprEnvironment,
  phbs: () => readonly PciHostBridge[],
): void {
  const find: FindPhb = (buid) => phbs().find((phb) => phb.buid === buid);
  rtas.register(RtasToken.QUERY_PE_DMA_WINDOW, (call) => query(env, find, call));
  rtas.register(RtasToken.CREATE_PE_DMA_WINDOW, (call) => create(env, find, call));
  rtas.register(RtasToken.REMOVE_PE_DMA_WINDOW, (call) => remove(env, phbs, call));
  rtas.register(RtasToken.RESET_PE_DMA_WINDOW, (call) => reset(find, call));
}

/** The bits of a query for a bridge's page sizes (QEMU-QUERY-2). */
export function queryPageMask(env: SpaprEnvironment, phb: PciHostBridge): number {
  let mask = 0;
  for (const [shift, bit] of DDW_PAGE_BITS) if (((phb.pgsz >> BigInt(shift)) & 1n) !== 0n) mask |= bit;
  return mask & env.profile.queryPageMask;
}

function query(env: SpaprEnvironment, find: FindPhb, call: RtasCall): number {
  const name = "ibm,query-pe-dma-window";
  if (call.nargs !== 3 || !env.profile.queryReturnCounts.includes(call.nret)) {
    return call.refuseCounts(name);
  }
  const phb = findDdwPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const available = 2 - phb.enabledWindows;
  const pageMask = queryPageMask(env, phb);
  const maximum = call.nret === 6 ? [DDW_MAX_TCES / 2 ** 26, 0] : [DDW_MAX_TCES];
  // The last cell is the mask of what a migration preserves: nothing (QEMU-QUERY-1).
  [available, ...maximum, pageMask, 0].forEach((value, i) => {
    call.ret(1 + i, value);
  });
  call.trace({
    name: "spapr_iommu_ddw_query",
    buid: phb.buid,
    configAddress: call.arg(0),
    available: available,
    windowSize: BigInt(DDW_MAX_TCES),
    pageSizes: pageMask,
  });
  return SUCCESS;
}

function create(env: SpaprEnvironment, find: FindPhb, call: RtasCall): number {
  const name = "ibm,create-pe-dma-window";
  if (call.nargs !== 5 || call.nret !== 4) return call.refuseCounts(name);
  const phb = findDdwPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const configAddress = call.arg(0);
  const pageShift = call.arg(3);
  const windowShift = call.arg(4);
  const values = (): RecordValues => ({ pageShift, windowShift, pgsz: hex(phb.pgsz) });
  // QEMU shifts by these numbers whatever they are; at 64 and above C does not say what comes out.
  if (pageShift > 63 || ((phb.pgsz >> BigInt(pageShift)) & 1n) === 0n) {
    if (pageShift > 63) call.errors.attempt(() => shiftHazard(env, pageShift));
    return call.refuse(
      name,
      PARAM_ERROR,
      "the bridge does not allow this page size",
      "PAPR-CREATE-1",
      values,
    );
  }
  if (windowShift < pageShift) {
    return call.refuse(name, PARAM_ERROR, "the window is smaller than a page", "QEMU-CREATE-1", values);
  }
  const window = phb.findFreeWindow();
  if (window === undefined) {
    const status = env.profile.noFreeWindowStatus;
    return call.refuse(name, status, "both windows are in use", "PAPR-CREATE-2", () => ({
      buid: hex(phb.buid),
    }));
  }
  const busOffset = chooseAddress(env, phb);
  if (busOffset === undefined) {
    const rule = "the place of the second window is taken";
    return call.refuse(name, HW_ERROR, rule, "PAPR-CREATE-3", () => ({ buid: hex(phb.buid) }));
  }
  if (!env.profile.createAboveMaximum && 2 ** (windowShift - pageShift) > DDW_MAX_TCES) {
    return call.refuse(name, PARAM_ERROR, "more TCEs than the query advertised", "PAPR-CREATE-4", values);
  }
  // QEMU counts TCEs in 32 bits: 2^32 and more become none (beyond 2^63, C does not say what they become).
  const sizeShift = windowShift - pageShift;
  const entries = sizeShift < 32 ? 2 ** sizeShift : 0;
  call.errors.attempt(() => createWindow(window, pageShift, busOffset, entries));
  if (entries === 0)
    return call.refuse(name, HW_ERROR, "the window has 2^32 TCEs or more", "QEMU-CREATE-4", values);
  if (!env.profile.defaultWindowSticks) window.defaultWindow = false;
  call.trace({
    name: "spapr_iommu_ddw_create",
    buid: phb.buid,
    configAddress,
    pageSize: 1n << BigInt(pageShift),
    windowSize: BigInt.asUintN(64, 1n << BigInt(windowShift)),
    busOffset,
    liobn: window.liobn,
  });
  call.ret(1, window.liobn);
  call.ret(2, Number(busOffset >> 32n));
  call.ret(3, Number(BigInt.asUintN(32, busOffset)));
  return SUCCESS;
}

/**
 * Enables a window that was just created. Its table is empty, so replaying it
 * to the listeners that now see it would walk up to 2^31 entries for nothing:
 * the flag lets the replay hook return at once. It brackets exactly the enable,
 * whose memory transaction calls the listeners (QEMU, "spapr_iommu: Do not
 * replay mappings from just created DMA window"; QEMU-REPLAY-2).
 */
function createWindow(window: DmaWindow, pageShift: number, busOffset: bigint, entries: number): void {
  window.skippingReplay = true;
  try {
    window.enable(pageShift, busOffset, entries);
  } finally {
    window.skippingReplay = false;
  }
}

/**
 * Where a new window goes: the low address if the bridge has none, else the
 * high one (QEMU-CREATE-2, QEMU-CREATE-3; quirk `createOverWindow`).
 */
function chooseAddress(env: SpaprEnvironment, phb: PciHostBridge): bigint | undefined {
  const used = phb.windows.filter((window) => window.enabled).map((window) => window.busOffset);
  if (used.length === 0) return phb.dmaWinAddr;
  if (env.profile.createOverWindow || !used.includes(phb.dma64WinAddr)) return phb.dma64WinAddr;
  // The other window lies there: below it there is room for the default window only if it is the higher one.
  return maxBig(phb.dmaWinAddr, phb.dma64WinAddr) === phb.dma64WinAddr && !used.includes(phb.dmaWinAddr)
    ? phb.dmaWinAddr
    : undefined;
}

function shiftHazard(env: SpaprEnvironment, pageShift: number): void {
  const what = "a page shift of 64 or more is undefined in QEMU (it counts modulo 64 on x86-64)";
  env.observer.hazard?.({ id: "QEMU-CREATE-5", what, values: { pageShift } });
}

function remove(env: SpaprEnvironment, phbs: () => readonly PciHostBridge[], call: RtasCall): number {
  const name = "ibm,remove-pe-dma-window";
  if (call.nargs !== 1 || call.nret !== 1) return call.refuseCounts(name);
  const liobn = call.arg(0);
  const window = env.liobns.find(0, liobn);
  const phb = phbs().find((bridge) => window !== undefined && bridge.windows.includes(window));
  if (window === undefined || phb === undefined || !phb.ddw || !window.enabled) {
    const rule = "no enabled window of a bridge with dynamic windows has this LIOBN";
    return call.refuse(name, PARAM_ERROR, rule, "PAPR-REMOVE-1", () => ({ liobn: hex(liobn) }));
  }
  const wasDefault = window.defaultWindow;
  call.errors.attempt(() => window.disable());
  call.trace({ name: "spapr_iommu_ddw_remove", liobn });
  if (env.profile.restoreDefaultWindow && phb.enabledWindows === 0 && !wasDefault) {
    call.errors.attempt(() => phb.resetDma());
    call.trace({ name: "spapr_iommu_ddw_reset", buid: phb.buid, configAddress: 0 });
  }
  return SUCCESS;
}

function reset(find: FindPhb, call: RtasCall): number {
  const name = "ibm,reset-pe-dma-window";
  if (call.nargs !== 3 || call.nret !== 1) return call.refuseCounts(name);
  const phb = findDdwPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const configAddress = call.arg(0);
  call.errors.attempt(() => phb.resetDma());
  call.trace({ name: "spapr_iommu_ddw_reset", buid: phb.buid, configAddress });
  return SUCCESS;
}

function findDdwPhb(find: FindPhb, name: string, call: RtasCall): PciHostBridge | undefined {
  const buid = call.arg64(1);
  const phb = find(buid);
  if (phb?.ddw) return phb;
  const rule = phb === undefined ? "no bridge has this BUID" : "the bridge has no dynamic windows";
  const id = phb === undefined ? "PAPR-DDW-1" : "PAPR-DDW-2";
  call.refuse(name, PARAM_ERROR, rule, id, () => ({ buid: hex(buid) }));
  return undefined;
}
