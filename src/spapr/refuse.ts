/**
 * Refusals of hypercalls and RTAS calls, explained when somebody listens.
 *
 * Each function returns the status, so that a handler reads
 * `return refuse...(env, call, ...)`; arguments are numbers, and the record is
 * built only for a listener.
 *
 * @module
 */

import { hex64, toBig } from "../base/u64.ts";
import type { DmaWindow } from "./dma-window.ts";
import type { SpaprEnvironment } from "./environment.ts";
import type { RecordValues, RuleId, RuleSource } from "./observer.ts";
import { HStatus } from "./papr.ts";

/** Whose rule it is: the first word of its name. */
export const sourceOf = (id: RuleId): RuleSource => id.slice(0, id.indexOf("-")) as RuleSource;

/** Why a call is refused, in words, and the rule's name in the documentation. */
interface Rule {
  readonly rule: string;
  readonly id: RuleId;
}

/** A refused hypercall, with one value of 64 bits that explains it. */
export function refuse(
  env: SpaprEnvironment,
  call: string,
  status: number,
  rule: string,
  id: RuleId,
  name: string,
  hi: number,
  lo: number,
): number {
  if (env.observer.refusal !== null) {
    const values = { [name]: hex64(toBig(hi, lo)) };
    env.observer.refusal({ call, status, rule, id, source: sourceOf(id), values });
  }
  return status;
}

/** No table has this LIOBN. */
export const refuseLiobn = (env: SpaprEnvironment, call: string, hi: number, lo: number): number =>
  refuse(env, call, HStatus.PARAMETER, "no DMA window has this LIOBN", "PAPR-TCE-1", "liobn", hi, lo);

/** The address is not in the window. */
export function refuseIoba(
  env: SpaprEnvironment,
  call: string,
  window: DmaWindow,
  hi: number,
  lo: number,
): number {
  if (env.observer.refusal !== null) {
    env.observer.refusal({
      call,
      status: HStatus.PARAMETER,
      rule: window.enabled ? "the address is outside of the window" : "the window is disabled",
      id: "PAPR-TCE-2",
      source: "PAPR",
      values: {
        ioba: hex64(toBig(hi, lo)),
        liobn: `0x${window.liobn.toString(16)}`,
        first: hex64(window.busOffset),
        entries: window.entries,
        pageShift: window.pageShift,
      },
    });
  }
  return HStatus.PARAMETER;
}

/** A refused call with any values. */
export function refuseCall(
  env: SpaprEnvironment,
  call: string,
  status: number,
  { rule, id }: Rule,
  values: () => RecordValues,
): number {
  env.observer.refusal?.({ call, status, rule, id, source: sourceOf(id), values: values() });
  return status;
}
