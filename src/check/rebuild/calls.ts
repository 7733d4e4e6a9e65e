import { hex } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { Machine } from "../../spapr/machine.ts";
import type { Refusal } from "../../spapr/observer.ts";
import { Hcall, MAX_LIST_ENTRIES } from "../../spapr/papr.ts";
import { HcallRegisters } from "../../spapr/registers.ts";
import { permOf } from "../../tce/tce.ts";
import type { WindowAdoption } from "./adoption.ts";
import { askedPages, CallRange, ListTce, storedPages } from "./call-range.ts";
import type { RebuildObserver } from "./observer.ts";
import type { RebuildParts } from "./parts.ts";
import { Certainty, type RebuiltWindow } from "./rebuilt-window.ts";
import type { RebuiltWindows } from "./rebuilt-windows.ts";
import type { Verdicts } from "./verdicts.ts";
import type { WindowFit } from "./window-fit.ts";

/** Where in the machine's memory lists are put. */
const LIST_ADDRESS = 0x20_0000;

/** Makes the hypercalls of a trace on a machine of ours, and compares their results. */
export class RebuiltCalls {
  readonly #machine: Machine;
  readonly #windows: RebuiltWindows;
  readonly #adoption: WindowAdoption;
  readonly #verdicts: Verdicts;
  readonly #fit: WindowFit;
  readonly #observer: RebuildObserver | null;
  readonly #range = new CallRange();
  readonly #listTce = new ListTce();
  /** Why the engine refused the last call. */
  #refusal: Refusal | undefined;
  readonly #registers = new HcallRegisters();
  readonly #list = new Uint8Array(MAX_LIST_ENTRIES * 8);
  readonly #listView = new DataView(this.#list.buffer);

  constructor({ machine, windows, verdicts, fit, observer }: RebuildParts, adoption: WindowAdoption) {
    this.#machine = machine;
    this.#windows = windows;
    this.#adoption = adoption;
    this.#verdicts = verdicts;
    this.#fit = fit;
    this.#observer = observer;
    if (observer === null) return;
    machine.observer.refusal = (refusal) => {
      this.#refusal = refusal;
    };
  }

  put(event: QemuTraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined) {
      if (event.failed) this.#checkStatus(event, rebuilt, this.#callPut(event));
      else this.#verdicts.skip();
      return;
    }
    const index = this.#indexOf(event, rebuilt);
    if (index < 0) return;
    this.#changing(event, rebuilt, index, 1);
    const status = this.#callPut(event);
    if (!this.#checkStatus(event, rebuilt, status) || status !== 0) return;
    rebuilt.mark(index, 1, Certainty.KNOWN);
    this.#observer?.changed(event, rebuilt);
  }

  /** The entry of a call on one page, to which the window is fitted; -1 if the call cannot be compared. */
  #indexOf(event: QemuTraceEvent, rebuilt: RebuiltWindow): number {
    const { window } = rebuilt;
    const index = window.indexOf(event.iobaHi, event.iobaLo);
    return event.failed === index >= window.entries ? index : this.#fittedIndexOf(event, rebuilt);
  }

  #fittedIndexOf(event: QemuTraceEvent, rebuilt: RebuiltWindow): number {
    const isJudged = this.#fit.called(event, rebuilt, event.iobaHi, event.iobaLo, 1);
    return isJudged ? rebuilt.window.indexOf(event.iobaHi, event.iobaLo) : -1;
  }

  /** Books and reports that a successful call is going to store entries. */
  #changing(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    if (event.failed || first + count > rebuilt.window.entries) return;
    const table = rebuilt.window.table!;
    table.load(first);
    const was = permOf(table.lo);
    rebuilt.evidence.called(first, count);
    this.#observer?.changing(event, rebuilt, first, count, was);
    rebuilt.changing(event, first, count, was);
  }

  get(event: QemuTraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined && !event.failed) {
      this.#verdicts.skip();
      return;
    }
    const index = rebuilt === undefined ? 0 : this.#indexOf(event, rebuilt);
    if (index < 0) return;
    const status = this.#call(Hcall.GET_TCE, event, event.iobaHi, event.iobaLo);
    if (!this.#checkStatus(event, rebuilt, status) || status !== 0 || rebuilt === undefined) return;
    rebuilt.evidence.called(index, 1);
    const { words } = this.#registers;
    const same = words[2] === event.tceHi && words[3] === event.tceLo;
    if (!rebuilt.knows(index)) {
      this.#verdicts.learn(event, rebuilt, index, same);
    } else if (!same) {
      if ((event.tceHi | event.tceLo) === 0 && this.#verdicts.cleared(rebuilt, index)) return;
      this.#verdicts.mismatch(event, "this entry", `tce ${hex(this.#registers.get(4))}`);
    }
  }

  stuff(event: QemuTraceEvent): void {
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
    const range = this.#range;
    range.read(event, window.page);
    const pages = askedPages(event);
    let first = window.indexOf(range.startHi, range.startLo);
    if (first + pages > window.entries) {
      if (!this.#fit.called(event, rebuilt, range.startHi, range.startLo, pages)) return;
      first = window.indexOf(range.startHi, range.startLo);
    }
    this.#changing(event, rebuilt, first, pages);
    const status = this.#callStuff(event, range.startHi, range.startLo);
    if (!this.#checkStatus(event, rebuilt, status)) return;
    rebuilt.mark(first, pages, Certainty.KNOWN);
    this.#observer?.changed(event, rebuilt);
  }

  /** A refused call printed the address that failed: pages before it may have been filled, and nothing says from where. */
  #stuffFailed(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    const { window } = rebuilt;
    const isInside = (): boolean => window.indexOf(event.iobaHi, event.iobaLo) < window.entries;
    if (event.pagesLo !== 0) {
      if (isInside() && !this.#fit.called(event, rebuilt, event.iobaHi, event.iobaLo, 1)) return;
      if (!isInside()) {
        const filled = Math.min(event.pagesLo - 1, window.entries);
        rebuilt.mark(window.entries - filled, filled, Certainty.UNKNOWN);
      }
    }
    this.#checkStatus(event, rebuilt, this.#callStuff(event, event.iobaHi, event.iobaLo));
  }

  indirect(event: QemuTraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined) {
      if (!event.failed) this.#verdicts.skip();
      return;
    }
    const { window } = rebuilt;
    let index = window.indexOf(event.iobaHi, event.iobaLo);
    // A list that was refused prints the entry before the one that did not fit; its first one may be that.
    const reached = event.failed && event.lastLo > 0 ? event.lastLo + 1 : 1;
    const asked = event.failed ? reached : askedPages(event);
    if (event.failed ? index + reached < window.entries : index + asked > window.entries) {
      const { page } = window;
      const skipped = event.failed ? reached : 0;
      const hi = page.addHi(event.iobaHi, event.iobaLo, skipped);
      const lo = page.addLo(event.iobaLo, skipped);
      const isJudged = this.#fit.called(event, rebuilt, hi, lo, event.failed ? 1 : asked);
      if (!isJudged) return;
      index = window.indexOf(event.iobaHi, event.iobaLo);
    }
    const stored = storedPages(event, window.entries - index);
    const count = event.failed ? stored + 1 : stored;
    if (count > MAX_LIST_ENTRIES) {
      this.#verdicts.mismatch(event, `a list of at most ${MAX_LIST_ENTRIES} entries`, `${count} entries`);
      return;
    }
    const linear = this.#inferList(window, count, event);
    this.#machine.ram.write(LIST_ADDRESS, this.#list.subarray(0, count * 8));
    this.#changing(event, rebuilt, index, stored);
    const status = this.#callList(event, count);
    if (!this.#checkStatus(event, rebuilt, status) || stored === 0) return;
    rebuilt.mark(index, stored, linear ? Certainty.INFERRED : Certainty.UNKNOWN);
    if (status !== 0) return;
    rebuilt.mark(index + stored - 1, 1, Certainty.KNOWN);
    this.#observer?.changed(event, rebuilt);
  }

  /**
   * Fills the list with the linear run that ends in the value printed (with
   * that value, if it maps nothing).
   *
   * @returns false if there is no such run, because it would begin below 0
   */
  #inferList({ page }: DmaWindow, count: number, event: QemuTraceEvent): boolean {
    const tce = this.#listTce;
    let fits = true;
    for (let i = 0; i < count; i++) {
      if (!tce.read(event, count - 1 - i, page)) fits = false;
      this.#listView.setUint32(i * 8, tce.hi);
      this.#listView.setUint32(i * 8 + 4, tce.lo);
    }
    return fits;
  }

  #callPut(event: QemuTraceEvent): number {
    this.#setArguments(event.tceHi, event.tceLo, 0);
    return this.#call(Hcall.PUT_TCE, event, event.iobaHi, event.iobaLo);
  }

  #callStuff(event: QemuTraceEvent, startHi: number, startLo: number): number {
    this.#setArguments(event.tceHi, event.tceLo, event.pagesLo);
    return this.#call(Hcall.STUFF_TCE, event, startHi, startLo);
  }

  #callList(event: QemuTraceEvent, count: number): number {
    this.#setArguments(0, LIST_ADDRESS, count);
    return this.#call(Hcall.PUT_TCE_INDIRECT, event, event.iobaHi, event.iobaLo);
  }

  /** What the calls take after LIOBN and bus address. */
  #setArguments(r6Hi: number, r6Lo: number, r7: number): void {
    const { words } = this.#registers;
    words[6] = r6Hi;
    words[7] = r6Lo;
    words[8] = 0;
    words[9] = r7;
  }

  #call(opcode: number, event: QemuTraceEvent, iobaHi: number, iobaLo: number): number {
    const { words } = this.#registers;
    words[0] = 0;
    words[1] = opcode;
    words[2] = event.liobnHi;
    words[3] = event.liobnLo;
    words[4] = iobaHi;
    words[5] = iobaLo;
    this.#refusal = undefined;
    return this.#machine.hcall(words);
  }

  /** @returns false if the status is not the recorded one; then the entry is left alone */
  #checkStatus(event: QemuTraceEvent, rebuilt: RebuiltWindow | undefined, status: number): boolean {
    if (status !== 0 || event.failed) return this.#checkRefused(event, rebuilt, status);
    this.#verdicts.counts.statuses++;
    return true;
  }

  /** {@link #checkStatus} of a call that was refused here, there, or at both. */
  #checkRefused(event: QemuTraceEvent, rebuilt: RebuiltWindow | undefined, status: number): boolean {
    if (status !== 0 && status === event.ret) {
      this.#verdicts.counts.statuses++;
      this.#observer?.refused(event, this.#refusal);
      return true;
    }
    if (rebuilt?.assumed === true) this.#verdicts.skip();
    else this.#verdicts.mismatch(event, `ret ${event.ret}`, `ret ${status}`);
    return false;
  }

  /** The window of a call; one that a successful call used, but the trace did not create, is adopted. */
  #windowOf(event: QemuTraceEvent): RebuiltWindow | undefined {
    const rebuilt = this.#windows.find(event);
    return rebuilt !== undefined || event.failed ? rebuilt : this.#adoption.called(event);
  }
}
