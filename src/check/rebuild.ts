import { entryOf, hex, toBig } from "../base/u64.ts";
import {
  DDW_CREATE,
  DDW_QUERY,
  DDW_REMOVE,
  DDW_RESET,
  GET,
  INDIRECT,
  NEW_TABLE,
  POST_LOAD,
  PRE_SAVE,
  PUT,
  STUFF,
  type TraceEvent,
  XLATE,
} from "../formats/trace/trace-event.ts";
import { IommuTranslation } from "../memory/iommu-region.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import { Machine } from "../spapr/machine.ts";
import type { Refusal } from "../spapr/observer.ts";
import { Hcall } from "../spapr/papr.ts";
import type { PhbConfig } from "../spapr/phb.ts";
import { HcallRegisters } from "../spapr/registers.ts";
import { permOf } from "../tce/tce.ts";
import type { TceView } from "../tce/tce-view.ts";
import { POSITION_SPAN } from "./entry-history.ts";
import type { RebuildObserver } from "./rebuild-observer.ts";
import { Certainty, type RebuiltWindow } from "./rebuilt-window.ts";
import { type Mismatch, type RebuildCounts, Verdicts } from "./verdicts.ts";
import { NO_MASK, WindowLifecycle } from "./window-lifecycle.ts";

/** Where in the machine's memory lists and argument blocks are put. */
const LIST_ADDRESS = 0x20_0000;

/**
 * Rebuilds the DMA windows of a real machine from its trace, by doing what the
 * guest did on a machine of ours, and compares every answer.
 *
 * A trace may begin in the middle: windows that are used without having been
 * created are adopted with all entries unknown. A list prints only its last
 * TCE: the others are inferred until a translation or a read confirms them.
 */
export class Rebuild {
  readonly machine: Machine;
  readonly #verdicts = new Verdicts();
  readonly #lifecycle: WindowLifecycle;
  /** Why the engine refused the last call. */
  #refusal: Refusal | undefined;
  readonly #registers = new HcallRegisters();
  readonly #translation = new IommuTranslation();
  readonly #list = new Uint8Array(512 * 8);
  readonly #listView = new DataView(this.#list.buffer);

  /** @param observer hears what happens; see there */
  constructor(profile?: string, observer: RebuildObserver | null = null) {
    this.machine = new Machine({ phbs: [], ...(profile === undefined ? {} : { profile }) });
    this.#lifecycle = new WindowLifecycle(this.machine, this.#verdicts);
    this.#verdicts.observer = observer;
    if (observer === null) return;
    this.machine.observer.refusal = (refusal) => {
      this.#refusal = refusal;
    };
  }

  /** What was compared, and how it came out. */
  get counts(): RebuildCounts {
    return this.#verdicts.counts;
  }

  /** The first recorded answers that the engine does not give. */
  get mismatches(): readonly Mismatch[] {
    return this.#verdicts.mismatches;
  }

  /** Windows that are enabled now, by LIOBN. */
  get windows(): ReadonlyMap<number, RebuiltWindow> {
    return this.#lifecycle.windows;
  }

  /**
   * Takes over a window with entries that are all known, as a saved machine has
   * it; without a table the window is not there.
   *
   * @throws IommuError BAD_SHAPE if the table does not fit the window, which can be only with VIO
   */
  load(liobn: number, pageShift: number, busOffset: bigint, table: TceView | null): void {
    this.#lifecycle.load(liobn, pageShift, busOffset, table);
  }

  /** Tells of a bridge before its first event: a trace does not say what its default window is like. */
  knowBridge(config: PhbConfig): void {
    this.#lifecycle.knowBridge(config);
  }

  /** To be called when events are missing here: nothing is known any more but what they cannot have changed. */
  lose(): void {
    this.#lifecycle.lose();
  }

  /** Brings the windows up to date before `next` happens, for who wants to look at them there. */
  settle(next: TraceEvent): void {
    this.#lifecycle.settle(next);
  }

  /** To be called after the last event. */
  end(): void {
    this.#lifecycle.settle(undefined);
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: TraceEvent): void {
    const lifecycle = this.#lifecycle;
    if (event.position >= POSITION_SPAN) lifecycle.scale.note(event.number, event.position);
    if (lifecycle.pending) lifecycle.settle(event);
    switch (event.kind) {
      case PUT:
        this.#put(event);
        break;
      case GET:
        this.#get(event);
        break;
      case INDIRECT:
        this.#indirect(event);
        break;
      case STUFF:
        this.#stuff(event);
        break;
      case XLATE:
        this.#translate(event);
        break;
      case NEW_TABLE:
        lifecycle.newTable(event);
        break;
      case DDW_QUERY:
        lifecycle.query(event);
        break;
      case DDW_CREATE:
        lifecycle.create(event);
        break;
      case DDW_REMOVE:
        lifecycle.remove(event);
        break;
      case DDW_RESET:
        lifecycle.reset(event);
        break;
      case PRE_SAVE:
        lifecycle.adoptSaved(event, event.entries);
        break;
      case POST_LOAD:
        lifecycle.adoptSaved(event, event.newEntries);
        break;
    }
  }

  // ------------------------------------------------------------- hypercalls

  #put(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined && !event.failed) {
      this.#verdicts.skip();
      return;
    }
    const index = rebuilt === undefined ? 0 : rebuilt.window.indexOf(event.iobaHi, event.iobaLo);
    if (rebuilt !== undefined) this.#changing(event, rebuilt, index, 1);
    const status = this.#call(Hcall.PUT_TCE, event, event.iobaHi, event.iobaLo, event.tceHi, event.tceLo);
    if (!this.#checkStatus(event, rebuilt, status) || rebuilt === undefined) return;
    if (status !== 0) return;
    rebuilt.mark(index, 1, Certainty.KNOWN);
    this.#verdicts.observer?.changed(event, rebuilt);
  }

  /** Books and tells that a successful call is going to store entries. */
  #changing(event: TraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    if (event.failed || first + count > rebuilt.window.entries) return;
    const table = rebuilt.window.table!;
    table.load(first);
    const was = permOf(table.lo);
    this.#verdicts.observer?.changing(event, rebuilt, first, count, was);
    rebuilt.changing(event, first, count, was);
  }

  #get(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined && !event.failed) {
      this.#verdicts.skip();
      return;
    }
    const status = this.#call(Hcall.GET_TCE, event, event.iobaHi, event.iobaLo, 0, 0);
    if (!this.#checkStatus(event, rebuilt, status) || status !== 0 || rebuilt === undefined) return;
    const index = rebuilt.window.indexOf(event.iobaHi, event.iobaLo);
    const { words } = this.#registers;
    const same = words[2] === event.tceHi && words[3] === event.tceLo;
    this.#compareEntry(event, rebuilt, index, same, event.tceHi, event.tceLo);
  }

  #stuff(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined) {
      if (!event.failed) this.#verdicts.skip();
      return;
    }
    const { window } = rebuilt;
    if (event.failed) {
      this.#stuffFailed(event, rebuilt);
      return;
    }
    // The address printed lies behind the last page.
    const pages = event.pagesLo;
    const startLo = window.page.bytesLo(pages);
    const lo = event.iobaLo - startLo;
    const hi = event.iobaHi - window.page.bytesHi(pages) - (lo < 0 ? 1 : 0);
    const first = window.indexOf(hi >>> 0, lo >>> 0);
    this.#changing(event, rebuilt, first, pages);
    const status = this.#call(Hcall.STUFF_TCE, event, hi >>> 0, lo >>> 0, event.tceHi, event.tceLo, pages);
    if (!this.#checkStatus(event, rebuilt, status)) return;
    rebuilt.mark(first, pages, Certainty.KNOWN);
    if (permOf(event.tceLo) !== 0) this.#verdicts.observer?.changed(event, rebuilt);
  }

  /** A refused call printed the address that failed: pages before it may have been filled, and nothing says from where. */
  #stuffFailed(event: TraceEvent, rebuilt: RebuiltWindow): void {
    const { window } = rebuilt;
    if (event.pagesLo === 0 || window.indexOf(event.iobaHi, event.iobaLo) < window.entries) {
      const pages = event.pagesLo;
      const status = this.#call(
        Hcall.STUFF_TCE,
        event,
        event.iobaHi,
        event.iobaLo,
        event.tceHi,
        event.tceLo,
        pages,
      );
      this.#checkStatus(event, rebuilt, status);
      return;
    }
    const behind = Math.min(event.pagesLo - 1, window.entries);
    rebuilt.mark(window.entries - behind, behind, Certainty.UNKNOWN);
    this.#verdicts.skip();
  }

  #indirect(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined) {
      if (!event.failed) this.#verdicts.skip();
      return;
    }
    const { window } = rebuilt;
    const index = window.indexOf(event.iobaHi, event.iobaLo);
    // A refused call printed the entry that failed: the first one behind the window.
    const stored = event.failed ? Math.max(0, window.entries - index) : event.lastLo + 1;
    const count = event.failed ? stored + 1 : stored;
    if (count > 512) {
      this.#verdicts.mismatch(event, "a list of at most 512 entries", `${count} entries`);
      return;
    }
    const linear = this.#inferList(window, count, event.tceHi, event.tceLo);
    this.machine.ram.write(LIST_ADDRESS, this.#list.subarray(0, count * 8));
    this.#changing(event, rebuilt, index, stored);
    const status = this.#call(
      Hcall.PUT_TCE_INDIRECT,
      event,
      event.iobaHi,
      event.iobaLo,
      0,
      LIST_ADDRESS,
      count,
    );
    if (!this.#checkStatus(event, rebuilt, status) || stored === 0) return;
    rebuilt.mark(index, stored, linear ? Certainty.INFERRED : Certainty.UNKNOWN);
    if (status !== 0) return;
    rebuilt.mark(index + stored - 1, 1, Certainty.KNOWN);
    this.#verdicts.observer?.changed(event, rebuilt);
  }

  /**
   * Fills the list with the linear run that ends in the value printed (with
   * that value, if it maps nothing).
   *
   * @returns false if there is no such run, because it would begin below 0
   */
  #inferList(window: DmaWindow, count: number, lastHi: number, lastLo: number): boolean {
    const { page } = window;
    const mapped = permOf(lastLo) !== 0;
    const spanHi = page.bytesHi(count - 1);
    const spanLo = page.bytesLo(count - 1);
    const fits = !mapped || lastHi > spanHi || (lastHi === spanHi && lastLo >= spanLo);
    for (let i = 0; i < count; i++) {
      const back = mapped ? count - 1 - i : 0;
      const lo = lastLo - page.bytesLo(back);
      const hi = lastHi - page.bytesHi(back) - (lo < 0 ? 1 : 0);
      this.#listView.setUint32(i * 8, hi);
      this.#listView.setUint32(i * 8 + 4, lo);
    }
    return fits;
  }

  #call(
    opcode: number,
    event: TraceEvent,
    r5Hi: number,
    r5Lo: number,
    r6Hi: number,
    r6Lo: number,
    r7 = 0,
  ): number {
    const { words } = this.#registers;
    words[0] = 0;
    words[1] = opcode;
    words[2] = event.liobnHi;
    words[3] = event.liobnLo;
    words[4] = r5Hi;
    words[5] = r5Lo;
    words[6] = r6Hi;
    words[7] = r6Lo;
    words[8] = 0;
    words[9] = r7;
    this.#refusal = undefined;
    return this.machine.hcall(words);
  }

  /** @returns false if the status is not the recorded one; then the entry is left alone */
  #checkStatus(event: TraceEvent, rebuilt: RebuiltWindow | undefined, status: number): boolean {
    if (status === 0 ? !event.failed : status === event.ret) {
      this.counts.statuses++;
      if (status !== 0) this.#verdicts.observer?.refused(event, this.#refusal);
      return true;
    }
    if (rebuilt?.assumed === true) this.#verdicts.skip();
    else this.#verdicts.mismatch(event, `ret ${event.ret}`, `ret ${status}`);
    return false;
  }

  // ------------------------------------------------------------ translations

  #translate(event: TraceEvent): void {
    let rebuilt = this.#lifecycle.find(event);
    if (rebuilt === undefined || (rebuilt.assumed && differentPages(rebuilt.window, event))) {
      rebuilt = this.#lifecycle.adoptTranslated(event);
      if (rebuilt === undefined) {
        this.#verdicts.skip();
        return;
      }
    }
    const { window } = rebuilt;
    const entry = this.#translation;
    window.translate(event.iobaHi, event.iobaLo, entry);
    const index = entryOf(event.iobaHi, event.iobaLo, window.pageShift);
    const same =
      entry.perm === event.perm &&
      entry.targetLo >>> 0 === event.tceLo &&
      entry.targetHi >>> 0 === event.tceHi &&
      entry.maskLo >>> 0 === event.mask;
    if (index >= window.entries) this.#translateOutside(event, rebuilt, same);
    // Nearly every translation.
    else if (same && event.perm !== 0 && rebuilt.certainty(index) === Certainty.KNOWN)
      this.counts.translations++;
    else this.#translateEntry(event, rebuilt, index, same);
  }

  #translateOutside(event: TraceEvent, rebuilt: RebuiltWindow, same: boolean): void {
    if (!same) {
      const { entries } = rebuilt.window;
      this.#verdicts.mismatch(event, "a translation outside of the window", `${entries} entries`);
      return;
    }
    this.counts.translations++;
    this.#verdicts.observer?.outside(event, rebuilt);
  }

  #translateEntry(event: TraceEvent, rebuilt: RebuiltWindow, index: number, same: boolean): void {
    const { window } = rebuilt;
    const { observer, counts } = this.#verdicts;
    if ((!same || event.perm === 0) && observer?.translated(event, rebuilt, index, same) === true) return;
    if (!same && !window.isPci && event.perm === 0 && (event.tceHi | event.tceLo) === 0) {
      // quiesce and a device reset clear a VIO table and leave no line.
      counts.silentClears++;
      window.reset();
      rebuilt.mark(0, window.entries, Certainty.KNOWN);
      return;
    }
    const tceLo = (event.tceLo | event.perm) >>> 0;
    this.#compareEntry(event, rebuilt, index, same, event.tceHi, tceLo);
  }

  /** Books a look at one entry: what is not known becomes known. */
  #compareEntry(
    event: TraceEvent,
    rebuilt: RebuiltWindow,
    index: number,
    same: boolean,
    tceHi: number,
    tceLo: number,
  ): void {
    const certainty = rebuilt.certainty(index);
    if (certainty === Certainty.KNOWN) {
      if (!same)
        this.#verdicts.mismatch(
          event,
          event.kind === XLATE ? "this translation" : "this entry",
          this.#answerText(event),
        );
      else if (event.kind === XLATE) this.counts.translations++;
      return;
    }
    if (certainty === Certainty.UNKNOWN) this.counts.learned++;
    else if (same) this.counts.confirmed++;
    else this.counts.contradicted++;
    if (!same) rebuilt.window.table!.put(index, tceHi, tceLo);
    rebuilt.mark(index, 1, Certainty.KNOWN);
  }

  /** What the engine answered to a translation or a read. */
  #answerText(event: TraceEvent): string {
    if (event.kind !== XLATE) return `tce ${hex(this.#registers.get(4))}`;
    const entry = this.#translation;
    return `-> ${hex(toBig(entry.targetHi, entry.targetLo))} perm=${entry.perm} mask=${hex(entry.maskLo >>> 0)}`;
  }

  /** The window of a call; one that a successful call used, but the trace did not create, is adopted. */
  #windowOf(event: TraceEvent): RebuiltWindow | undefined {
    const rebuilt = this.#lifecycle.find(event);
    return rebuilt !== undefined || event.failed ? rebuilt : this.#lifecycle.adoptCalled(event);
  }
}

const differentPages = (window: DmaWindow, event: TraceEvent): boolean =>
  event.mask !== NO_MASK && event.mask !== ~window.page.maskLo >>> 0;
