import { hiOf, loOf } from "../../base/u64.ts";
import type { KernelStatement } from "../../formats/trace/kernel-event.ts";
import { Machine } from "../../spapr/machine.ts";
import { DDW_PAGE_BITS, MAX_PHB_INDEX, RtasToken } from "../../spapr/papr.ts";

type Asked = Extract<KernelStatement, { readonly type: "window-asked" }>;
type Offered = Extract<KernelStatement, { readonly type: "windows-offered" }>;

/** What bridges offered last, by BUID. */
export class OfferedWindows {
  readonly #byBridge = new Map<bigint, Offered>();

  offered(what: Offered): void {
    this.#byBridge.set(what.bridge, what);
  }

  /**
   * Why a call was refused: it is made again on a machine of ours, whose bridge offers the same.
   *
   * @returns undefined if a machine of ours refuses it by no rule, or has no such bridge
   */
  refusalOf({
    bridge,
    pageShift,
    windowShift,
  }: Asked): { readonly rule: string; readonly id: string } | undefined {
    const index = loOf(bridge) & 0xff;
    if (index > MAX_PHB_INDEX) return undefined;
    const offer = this.#byBridge.get(bridge);
    const shifts = DDW_PAGE_BITS.filter(([, bit]) => offer === undefined || (offer.pageSizes & bit) !== 0);
    const pgsz = shifts.reduce((sizes, [shift]) => sizes | (1n << BigInt(shift)), 0n);
    const machine = new Machine({ phbs: [...(index === 0 ? [] : [{ index: 0 }]), { index, pgsz }] });
    const { buid } = machine.phb(index);
    if (hiOf(bridge) !== hiOf(buid)) return undefined;
    const create = (page: number, window: number): number[] =>
      machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, [0, hiOf(bridge), loOf(bridge), page, window], 4);
    if (offer?.windows === 0) create(shifts[0]?.[0] ?? 12, 30);
    let refusal: { readonly rule: string; readonly id: string } | undefined;
    machine.observer.refusal = ({ rule, id }) => {
      refusal = { rule, id };
    };
    create(pageShift, windowShift);
    return refusal;
  }
}
