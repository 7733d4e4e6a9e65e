/**
 * The RTAS calls with which a guest sees and resets an endpoint that is frozen, with QEMU's checks in QEMU's order (QEMU-EEH-1).
 * They reach the endpoint of a bridge's devices through {@link PciHostBridge.eeh}; where that is null the calls are refused.
 *
 * @module
 */

import { hex } from "../base/u64.ts";
import type { FindPhb } from "./ddw.ts";
import { EehOp } from "./endpoint.ts";
import { RtasStatus, RtasToken } from "./papr.ts";
import type { PciHostBridge } from "./phb.ts";
import type { RtasCall, RtasDispatcher } from "./rtas.ts";

const { SUCCESS, HW_ERROR, PARAM_ERROR, NO_ERRORS_FOUND } = RtasStatus;

/** Options of ibm,set-eeh-option, and what each of them does to the endpoint. */
const OPTIONS: Readonly<Record<number, number>> = {
  0: EehOp.DISABLE,
  1: EehOp.ENABLE,
  2: EehOp.UNFREEZE_IO,
  3: EehOp.UNFREEZE_DMA,
};
/** Options of ibm,set-slot-reset. */
const RESETS: Readonly<Record<number, number>> = {
  0: EehOp.RESET_DEACTIVATE,
  1: EehOp.RESET_HOT,
  3: EehOp.RESET_FUNDAMENTAL,
};
/** Functions of ibm,get-config-addr-info2. */
const GET_PE_ADDRESS = 0;
const GET_PE_MODE = 1;
/** The endpoint may have several devices. */
const MODE_SHARED = 2;
/** What ibm,read-slot-reset-state2 says besides: EEH is there; milliseconds to wait while the state is unavailable. */
const EEH_SUPPORTED = 1;
const UNAVAILABLE_MS = 1000;
/** Kinds of logs of ibm,slot-error-detail: temporary, permanent. */
const LOG_KINDS: readonly number[] = [1, 2];

/** Registers the calls. */
export function registerEehCalls(rtas: RtasDispatcher, phbs: () => readonly PciHostBridge[]): void {
  const find: FindPhb = (buid) => phbs().find((phb) => phb.buid === buid);
  rtas.register(RtasToken.SET_EEH_OPTION, (call) => setOption(find, call));
  rtas.register(RtasToken.GET_CONFIG_ADDR_INFO2, (call) => configInfo(find, call));
  rtas.register(RtasToken.READ_SLOT_RESET_STATE2, (call) => readState(find, call));
  rtas.register(RtasToken.SET_SLOT_RESET, (call) => setReset(find, call));
  rtas.register(RtasToken.CONFIGURE_PE, (call) => configure(find, call));
  rtas.register(RtasToken.SLOT_ERROR_DETAIL, (call) => errorDetail(find, call));
}

function setOption(find: FindPhb, call: RtasCall): number {
  const name = "ibm,set-eeh-option";
  if (call.nargs !== 4 || call.nret !== 1) return call.refuseCounts(name);
  const phb = findEehPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const option = call.arg(3);
  const op = OPTIONS[option];
  if (op === undefined) return refuseOption(name, call, option);
  if (op === EehOp.ENABLE && !phb.eeh!.serves(call.arg(0))) return refuseDevice(name, call);
  return operate(phb, op) < 0 ? HW_ERROR : SUCCESS;
}

function configInfo(find: FindPhb, call: RtasCall): number {
  const name = "ibm,get-config-addr-info2";
  if (call.nargs !== 4 || call.nret !== 2) return call.refuseCounts(name);
  const phb = findEehPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const what = call.arg(3);
  if (what === GET_PE_MODE) {
    call.ret(1, MODE_SHARED);
    return SUCCESS;
  }
  if (what !== GET_PE_ADDRESS) return refuseOption(name, call, what);
  const address = call.arg(0);
  if (!phb.hasFunction(address)) return refuseDevice(name, call);
  // The number of its bus, and a 1: it is no address of a function.
  call.ret(1, (address & 0xff_0000) | 1);
  return SUCCESS;
}

function readState(find: FindPhb, call: RtasCall): number {
  const name = "ibm,read-slot-reset-state2";
  if (call.nargs !== 3 || (call.nret !== 4 && call.nret !== 5)) return call.refuseCounts(name);
  const phb = findEehPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const state = operate(phb, EehOp.GET_STATE);
  if (state < 0) return PARAM_ERROR;
  call.ret(1, state);
  call.ret(2, EEH_SUPPORTED);
  call.ret(3, UNAVAILABLE_MS);
  if (call.nret === 5) call.ret(4, 0);
  return SUCCESS;
}

function setReset(find: FindPhb, call: RtasCall): number {
  const name = "ibm,set-slot-reset";
  if (call.nargs !== 4 || call.nret !== 1) return call.refuseCounts(name);
  const phb = findEehPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  const option = call.arg(3);
  const op = RESETS[option];
  if (op === undefined) return refuseOption(name, call, option);
  return operate(phb, op) < 0 ? HW_ERROR : SUCCESS;
}

function configure(find: FindPhb, call: RtasCall): number {
  const name = "ibm,configure-pe";
  if (call.nargs !== 3 || call.nret !== 1) return call.refuseCounts(name);
  const phb = findEehPhb(find, name, call);
  if (phb === undefined) return PARAM_ERROR;
  return operate(phb, EehOp.CONFIGURE) < 0 ? PARAM_ERROR : SUCCESS;
}

/** QEMU keeps no log: it never finds an error (QEMU-EEH-3). */
function errorDetail(find: FindPhb, call: RtasCall): number {
  const name = "ibm,slot-error-detail";
  if (call.nargs !== 8 || call.nret !== 1) return call.refuseCounts(name);
  if (findEehPhb(find, name, call) === undefined) return PARAM_ERROR;
  const kind = call.arg(7);
  return LOG_KINDS.includes(kind) ? NO_ERRORS_FOUND : refuseOption(name, call, kind);
}

/** @returns a value below 0 for an error */
function operate(phb: PciHostBridge, op: number): number {
  const answer = phb.eeh!.operate(op);
  return typeof answer === "number" ? answer : -1;
}

function findEehPhb(find: FindPhb, name: string, call: RtasCall): PciHostBridge | undefined {
  const buid = call.arg64(1);
  const phb = find(buid);
  if (phb !== undefined && phb.eeh !== null) return phb;
  const rule = phb === undefined ? "no bridge has this BUID" : "the bridge has no endpoint with EEH";
  const id = phb === undefined ? "PAPR-DDW-1" : "QEMU-EEH-2";
  call.refuse(name, PARAM_ERROR, rule, id, () => ({ buid: hex(buid) }));
  return undefined;
}

const refuseOption = (name: string, call: RtasCall, option: number): number =>
  call.refuse(name, PARAM_ERROR, "the call has no such option", "QEMU-EEH-1", () => ({ option }));

const refuseDevice = (name: string, call: RtasCall): number =>
  call.refuse(name, PARAM_ERROR, "no device with EEH has this address", "QEMU-EEH-1", () => ({
    configAddress: hex(BigInt(call.arg(0))),
  }));
