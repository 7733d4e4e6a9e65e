import { IommuError } from "../base/errors.ts";
import { hex, TWO32, toBig } from "../base/u64.ts";
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
import { formatTraceEvent } from "../formats/trace/trace-text.ts";
import { IommuTranslation } from "../memory/iommu-region.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import { Machine } from "../spapr/machine.ts";
import { DEFAULT_PAGE_SHIFT, Hcall, PCI_LIOBN_FLAG, RtasToken } from "../spapr/papr.ts";
import type { PhbConfig } from "../spapr/phb.ts";
import { HcallRegisters } from "../spapr/registers.ts";
import { permOf } from "../tce/tce.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { TceView } from "../tce/tce-view.ts";
import { Certainty, RebuiltWindow } from "./rebuilt-window.ts";

/** Entries that a window is given whose end a trace does not tell. */
const ASSUMED_ENTRIES = 2 ** 31;
/** Every page size: a trace shows which ones its machine allowed. */
const ANY_PAGE_SIZE = 0xffff_ffff_ffff_ffffn;
/** Mismatches that are kept with their text; all are counted. */
const MAX_KEPT_MISMATCHES = 1000;
/** Where in the machine's memory lists and argument blocks are put. */
const LIST_ADDRESS = 0x20_0000;
/** Printed by a translation outside of the table. */
const NO_MASK = 0xffff_ffff;

/** A recorded answer that the engine does not give. */
export interface Mismatch {
  readonly event: number;
  readonly line: number;
  readonly text: string;
  readonly expected: string;
  readonly actual: string;
}

/** What was compared, and how it came out. */
export interface RebuildCounts {
  /** Statuses and H_GET_TCE values that the trace determines, and the engine gave. */
  statuses: number;
  /** Translations of known entries (and of known emptiness) that the engine gave. */
  translations: number;
  /** Translations and reads that confirmed inferred entries, which are known from then on. */
  confirmed: number;
  /** Translations and reads that contradicted an inferred entry. */
  contradicted: number;
  /** Translations and reads of unknown entries, which are known from then on. */
  learned: number;
  /** Events about windows of which the trace has not told enough. */
  undetermined: number;
  /** VIO tables found empty that the trace left full: `quiesce` and resets leave no line. */
  silentClears: number;
  mismatches: number;
}

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
  readonly counts: RebuildCounts = {
    statuses: 0,
    translations: 0,
    confirmed: 0,
    contradicted: 0,
    learned: 0,
    undetermined: 0,
    silentClears: 0,
    mismatches: 0,
  };
  readonly mismatches: Mismatch[] = [];
  readonly #windows = new Map<number, RebuiltWindow>();
  readonly #registers = new HcallRegisters();
  readonly #translation = new IommuTranslation();
  readonly #list = new Uint8Array(512 * 8);
  readonly #listView = new DataView(this.#list.buffer);
  /** LIOBN of a new_table whose meaning the next event tells; -1 if there is none. */
  #pendingTable = -1;

  constructor(profile?: string) {
    this.machine = new Machine({ phbs: [], ...(profile === undefined ? {} : { profile }) });
  }

  /** Windows that are enabled now, by LIOBN. */
  get windows(): ReadonlyMap<number, RebuiltWindow> {
    return this.#windows;
  }

  /**
   * Takes over a window with entries that are all known, as a saved machine has
   * it; without a table the window is not there.
   *
   * @throws IommuError BAD_SHAPE if the table does not fit the window, which can be only with VIO
   */
  load(liobn: number, pageShift: number, busOffset: bigint, table: TceView | null): void {
    const window = this.#placed(liobn, pageShift, busOffset, table?.length ?? 0);
    if (window === undefined || table === null) {
      this.#windows.delete(liobn);
      return;
    }
    if (window.entries !== table.length) {
      const message = `a table of ${table.length} entries for window ${hex(liobn)}, which has ${window.entries}`;
      throw new IommuError("BAD_SHAPE", message, { liobn });
    }
    window.table = TceTable.from(table);
    this.#windows.set(liobn, new RebuiltWindow(window, Certainty.KNOWN, false));
  }

  /** Tells of a bridge before its first event: a trace does not say what its default window is like. */
  knowBridge(config: PhbConfig): void {
    this.machine.plugPhb(config).windows[0]!.disable();
  }

  /** To be called after the last event. */
  end(): void {
    this.#settle(undefined);
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: TraceEvent): void {
    if (this.#pendingTable >= 0) this.#settle(event);
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
        this.#newTable(event.liobn);
        break;
      case DDW_QUERY:
        this.#query(event);
        break;
      case DDW_CREATE:
        this.#create(event);
        break;
      case DDW_REMOVE:
        this.#remove(event.liobn);
        break;
      case DDW_RESET:
        this.#resetPhb(phbIndexOf(toBig(event.buidHi, event.buidLo)));
        break;
      case PRE_SAVE:
        this.#adoptSaved(event, event.entries);
        break;
      case POST_LOAD:
        this.#adoptSaved(event, event.newEntries);
        break;
    }
  }

  // ------------------------------------------------------------- hypercalls

  #put(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined && event.ret === 0) {
      this.#skip();
      return;
    }
    const status = this.#call(Hcall.PUT_TCE, event, event.iobaHi, event.iobaLo, event.tceHi, event.tceLo);
    if (!this.#checkStatus(event, rebuilt, status) || rebuilt === undefined) return;
    if (status === 0) rebuilt.mark(rebuilt.window.indexOf(event.iobaHi, event.iobaLo), 1, Certainty.KNOWN);
  }

  #get(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined && event.ret === 0) {
      this.#skip();
      return;
    }
    const status = this.#call(Hcall.GET_TCE, event, event.iobaHi, event.iobaLo, 0, 0);
    if (!this.#checkStatus(event, rebuilt, status) || status !== 0 || rebuilt === undefined) return;
    const index = rebuilt.window.indexOf(event.iobaHi, event.iobaLo);
    const { words } = this.#registers;
    const same = words[2] === event.tceHi && words[3] === event.tceLo;
    this.#compareEntry(
      event,
      rebuilt,
      index,
      same,
      event.tceHi,
      event.tceLo,
      () => `tce ${hex(this.#registers.get(4))}`,
    );
  }

  #stuff(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined) {
      if (event.ret === 0) this.#skip();
      return;
    }
    const { window } = rebuilt;
    if (event.ret !== 0) {
      this.#stuffFailed(event, rebuilt);
      return;
    }
    // The address printed lies behind the last page.
    const pages = event.pagesLo;
    const startLo = window.page.bytesLo(pages);
    const lo = event.iobaLo - startLo;
    const hi = event.iobaHi - window.page.bytesHi(pages) - (lo < 0 ? 1 : 0);
    const status = this.#call(Hcall.STUFF_TCE, event, hi >>> 0, lo >>> 0, event.tceHi, event.tceLo, pages);
    if (this.#checkStatus(event, rebuilt, status)) {
      rebuilt.mark(window.indexOf(hi >>> 0, lo >>> 0), pages, Certainty.KNOWN);
    }
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
    this.#skip();
  }

  #indirect(event: TraceEvent): void {
    const rebuilt = this.#windowOf(event);
    if (rebuilt === undefined) {
      if (event.ret === 0) this.#skip();
      return;
    }
    const { window } = rebuilt;
    const index = window.indexOf(event.iobaHi, event.iobaLo);
    // A refused call printed the entry that failed: the first one behind the window.
    const stored = event.ret === 0 ? event.lastLo + 1 : Math.max(0, window.entries - index);
    const count = event.ret === 0 ? stored : stored + 1;
    if (count > 512) {
      this.#mismatch(event, "a list of at most 512 entries", `${count} entries`);
      return;
    }
    const linear = this.#inferList(window, count, event.tceHi, event.tceLo);
    this.machine.ram.write(LIST_ADDRESS, this.#list.subarray(0, count * 8));
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
    if (status === 0) rebuilt.mark(index + stored - 1, 1, Certainty.KNOWN);
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
    words[2] = Math.floor(event.liobn / TWO32);
    words[3] = event.liobn % TWO32;
    words[4] = r5Hi;
    words[5] = r5Lo;
    words[6] = r6Hi;
    words[7] = r6Lo;
    words[8] = 0;
    words[9] = r7;
    return this.machine.hcall(words);
  }

  /** @returns false if the status is not the recorded one; then the entry is left alone */
  #checkStatus(event: TraceEvent, rebuilt: RebuiltWindow | undefined, status: number): boolean {
    if (status === event.ret) {
      this.counts.statuses++;
      return true;
    }
    if (rebuilt?.assumed === true) this.#skip();
    else this.#mismatch(event, `ret ${event.ret}`, `ret ${status}`);
    return false;
  }

  // ------------------------------------------------------------ translations

  #translate(event: TraceEvent): void {
    let rebuilt = this.#windows.get(event.liobn);
    if (rebuilt === undefined || (rebuilt.assumed && differentPages(rebuilt.window, event))) {
      rebuilt = this.#adoptTranslated(event);
      if (rebuilt === undefined) {
        this.#skip();
        return;
      }
    }
    const { window } = rebuilt;
    const entry = this.#translation;
    window.translate(event.iobaHi, event.iobaLo, entry);
    const index = Math.min(pageIndex(window, event), window.entries);
    const same =
      entry.perm === event.perm &&
      entry.targetLo === event.tceLo &&
      entry.targetHi === event.tceHi &&
      entry.maskLo === event.mask;
    if (index === window.entries) {
      if (same) this.counts.translations++;
      else this.#mismatch(event, "a translation outside of the window", `${window.entries} entries`);
      return;
    }
    if (!same && !window.isPci && event.perm === 0 && (event.tceHi | event.tceLo) === 0) {
      // quiesce and a device reset clear a VIO table and leave no line.
      this.counts.silentClears++;
      window.reset();
      rebuilt.mark(0, window.entries, Certainty.KNOWN);
      return;
    }
    const tceLo = (event.tceLo | event.perm) >>> 0;
    this.#compareEntry(event, rebuilt, index, same, event.tceHi, tceLo, () => {
      return `-> ${hex(toBig(entry.targetHi, entry.targetLo))} perm=${entry.perm} mask=${hex(entry.maskLo)}`;
    });
  }

  /** Books a look at one entry: what is not known becomes known. */
  #compareEntry(
    event: TraceEvent,
    rebuilt: RebuiltWindow,
    index: number,
    same: boolean,
    tceHi: number,
    tceLo: number,
    actual: () => string,
  ): void {
    const certainty = rebuilt.certainty(index);
    if (certainty === Certainty.KNOWN) {
      if (!same) this.#mismatch(event, event.kind === XLATE ? "this translation" : "this entry", actual());
      else if (event.kind === XLATE) this.counts.translations++;
      return;
    }
    if (certainty === Certainty.UNKNOWN) this.counts.learned++;
    else if (same) this.counts.confirmed++;
    else this.counts.contradicted++;
    if (!same) rebuilt.window.table!.put(index, tceHi, tceLo);
    rebuilt.mark(index, 1, Certainty.KNOWN);
  }

  // ----------------------------------------------------------------- windows

  /**
   * A table was allocated. For a VIO device, and for a bridge that is new, that
   * says it all; otherwise the next event tells what happened.
   */
  #newTable(liobn: number): void {
    if (liobn < PCI_LIOBN_FLAG) {
      if (!this.#windows.has(liobn)) this.#addVio(liobn, Certainty.KNOWN);
      return;
    }
    this.#pendingTable = liobn;
  }

  /**
   * Settles a new_table by the event that follows it. A window that is created,
   * loaded or reset has an event of its own. The default window's table without
   * one means that the bridge was reset with its machine, or plugged; another
   * window's table was only allocated anew, because a device was plugged.
   */
  #settle(next: TraceEvent | undefined): void {
    const liobn = this.#pendingTable;
    this.#pendingTable = -1;
    if (liobn < 0) return;
    if (next !== undefined) {
      if ((next.kind === DDW_CREATE || next.kind === POST_LOAD) && next.liobn === liobn) return;
      if (next.kind === DDW_RESET && phbIndexOf(toBig(next.buidHi, next.buidLo)) === phbOfLiobn(liobn))
        return;
    }
    if ((liobn & 0xff) !== 0) return;
    const known = this.#windows.has(liobn);
    this.#resetPhb(phbOfLiobn(liobn));
    // A reset of the machine clears VIO tables without a line; a bridge that was plugged again does not.
    if (known) for (const rebuilt of this.#windows.values()) if (!rebuilt.window.isPci) rebuilt.doubtStored();
  }

  /** All windows of a bridge go, and the default one comes, empty. */
  #resetPhb(index: number): void {
    const phb = this.#phb(index);
    phb.resetDma();
    for (const window of phb.windows) this.#windows.delete(window.liobn);
    const [first] = phb.windows;
    this.#windows.set(first!.liobn, new RebuiltWindow(first!, Certainty.KNOWN, false));
  }

  #phb(index: number) {
    return (
      this.machine.phbs.find((phb) => phb.index === index) ??
      this.machine.plugPhb({ index, pgsz: ANY_PAGE_SIZE })
    );
  }

  #query(event: TraceEvent): void {
    const index = phbIndexOf(toBig(event.buidHi, event.buidLo));
    const phb = this.machine.phbs.find((bridge) => bridge.index === index);
    const sure = phb?.windows.every((window) => this.#windows.get(window.liobn)?.assumed !== true) ?? false;
    if (phb === undefined || !sure) {
      this.#skip();
      return;
    }
    const [, available] = this.machine.rtas(
      RtasToken.QUERY_PE_DMA_WINDOW,
      [event.configAddress, ...buidCells(event)],
      5,
    );
    if (available === event.available) this.counts.statuses++;
    else this.#mismatch(event, `${event.available} windows available`, `${available} windows available`);
  }

  #create(event: TraceEvent): void {
    const { liobn } = event;
    const phb = this.#phb(phbOfLiobn(liobn));
    const window = phb.windows[liobn & 0xff];
    if (window === undefined) {
      this.#mismatch(event, "a window 0 or 1", `LIOBN ${hex(liobn)}`);
      return;
    }
    if (!this.#windows.has(phb.windows[0]!.liobn)) phb.windows[0]!.disable();
    // A window that is still there went without a line: with the machine's reset, or before the trace began.
    window.disable();
    const start = toBig(event.busOffsetHi, event.busOffsetLo);
    const pageShift = shiftOf(event.pageSizeHi, event.pageSizeLo);
    const windowShift = shiftOf(event.windowSizeHi, event.windowSizeLo);
    const args = [event.configAddress, ...buidCells(event), pageShift, windowShift];
    const [status, gotLiobn, hi, lo] = this.machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
    if (status === 0 && gotLiobn === liobn && toBig(hi!, lo!) === start) {
      this.counts.statuses++;
    } else {
      // The bridge has other addresses than QEMU's defaults, or windows that the trace did not tell of.
      for (const other of phb.windows) if (other.liobn === gotLiobn && gotLiobn !== liobn) other.disable();
      window.disable();
      window.enable(pageShift, start, 2 ** (windowShift - pageShift));
      this.#skip();
    }
    if (window.enabled) this.#windows.set(liobn, new RebuiltWindow(window, Certainty.KNOWN, false));
  }

  #remove(liobn: number): void {
    const known = this.#windows.delete(liobn);
    if (!known) {
      this.#skip();
      return;
    }
    const [status] = this.machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [liobn], 1);
    if (status === 0) this.counts.statuses++;
    else this.#skip();
    // If that restored the default window, the trace says so in its next lines.
  }

  /** A saved or loaded table: the geometry is printed, the entries are not. */
  #adoptSaved(event: TraceEvent, entries: number): void {
    const { liobn } = event;
    const busOffset = toBig(event.busOffsetHi, event.busOffsetLo);
    const rebuilt = this.#windows.get(liobn);
    const same =
      rebuilt !== undefined &&
      rebuilt.window.entries === entries &&
      rebuilt.window.busOffset === busOffset &&
      rebuilt.window.pageShift === event.pageShift;
    if (event.kind === PRE_SAVE && (same || (rebuilt === undefined && entries === 0))) {
      this.counts.statuses++;
      return;
    }
    if (event.kind === PRE_SAVE && rebuilt !== undefined && !rebuilt.assumed) {
      this.#mismatch(event, `${entries} entries`, `${rebuilt.window.entries} entries`);
      return;
    }
    const window = this.#placed(liobn, event.pageShift, busOffset, entries);
    if (window !== undefined) this.#windows.set(liobn, new RebuiltWindow(window, Certainty.UNKNOWN, false));
    else this.#windows.delete(liobn);
  }

  /** The window of a call; one that a successful call used, but the trace did not create, is adopted. */
  #windowOf(event: TraceEvent): RebuiltWindow | undefined {
    const rebuilt = this.#windows.get(event.liobn);
    if (rebuilt !== undefined || event.ret !== 0) return rebuilt;
    const { liobn } = event;
    if (liobn < PCI_LIOBN_FLAG) return this.#addVio(liobn, Certainty.UNKNOWN);
    // A default window is likely. Others tell their page size with the first translation.
    if ((liobn & 0xff) !== 0 || event.iobaHi !== 0) return undefined;
    return this.#adoptDefault(liobn);
  }

  /** Adopts a window as the default one of its bridge; QEMU's default, if the bridge is not known. */
  #adoptDefault(liobn: number): RebuiltWindow | undefined {
    const phb = this.machine.phbs.find(({ index }) => index === phbOfLiobn(liobn));
    const { dmaWinAddr = 0n, dmaWinSize = 0x4000_0000n } = phb ?? {};
    const entries = Number(BigInt.asUintN(32, dmaWinSize >> BigInt(DEFAULT_PAGE_SHIFT)));
    return this.#adopt(liobn, DEFAULT_PAGE_SHIFT, dmaWinAddr, entries);
  }

  /** Adopts a window by a translation, which prints its page size, but neither its start nor its end. */
  #adoptTranslated(event: TraceEvent): RebuiltWindow | undefined {
    const { liobn, mask } = event;
    if (liobn < PCI_LIOBN_FLAG) return this.#windows.get(liobn) ?? this.#addVio(liobn, Certainty.UNKNOWN);
    if (mask === NO_MASK) return undefined;
    const pageShift = 32 - Math.clz32(mask);
    if ((liobn & 0xff) === 0 && pageShift === DEFAULT_PAGE_SHIFT) return this.#adoptDefault(liobn);
    return this.#adopt(liobn, pageShift, 1n << 59n, ASSUMED_ENTRIES);
  }

  #adopt(liobn: number, pageShift: number, busOffset: bigint, entries: number): RebuiltWindow | undefined {
    const window = this.#placed(liobn, pageShift, busOffset, entries);
    if (window === undefined) return undefined;
    const rebuilt = new RebuiltWindow(window, Certainty.UNKNOWN, true);
    this.#windows.set(liobn, rebuilt);
    return rebuilt;
  }

  /** The window of a LIOBN with a new geometry; undefined if it is removed by that, or no window can have the LIOBN. */
  #placed(liobn: number, pageShift: number, busOffset: bigint, entries: number): DmaWindow | undefined {
    if (liobn < PCI_LIOBN_FLAG) return this.#windows.get(liobn)?.window ?? this.#addVio(liobn, 0).window;
    const index = phbOfLiobn(liobn);
    if (index > 30) return undefined;
    const isNew = !this.machine.phbs.some((phb) => phb.index === index);
    const phb = this.#phb(index);
    // A bridge that the trace begins with is not known to have its default window.
    if (isNew) phb.windows[0]!.disable();
    const window = phb.windows[liobn & 0xff];
    window?.disable();
    if (window === undefined || entries === 0) return undefined;
    window.enable(pageShift, busOffset, entries);
    return window;
  }

  #addVio(liobn: number, certainty: number): RebuiltWindow {
    const { window } = this.machine.vio.add({ type: "spapr-vlan", reg: liobn });
    const rebuilt = new RebuiltWindow(window!, certainty, false);
    this.#windows.set(liobn, rebuilt);
    return rebuilt;
  }

  // ------------------------------------------------------------------ report

  #skip(): void {
    this.counts.undetermined++;
  }

  #mismatch(event: TraceEvent, expected: string, actual: string): void {
    this.counts.mismatches++;
    if (this.mismatches.length >= MAX_KEPT_MISMATCHES) return;
    const text = formatTraceEvent(event);
    this.mismatches.push({ event: event.number, line: event.position, text, expected, actual });
  }
}

const phbOfLiobn = (liobn: number): number => Math.floor((liobn - PCI_LIOBN_FLAG) / 0x100);

const phbIndexOf = (buid: bigint): number => Number(BigInt.asUintN(32, buid)) - 0x2000_0000;

const buidCells = (event: TraceEvent): number[] => [event.buidHi, event.buidLo];

/** log2 of a power of two in halves. */
const shiftOf = (hi: number, lo: number): number => (hi === 0 ? 31 - Math.clz32(lo) : 63 - Math.clz32(hi));

const pageIndex = (window: DmaWindow, event: TraceEvent): number =>
  Number(toBig(event.iobaHi, event.iobaLo) >> BigInt(window.pageShift));

const differentPages = (window: DmaWindow, event: TraceEvent): boolean =>
  event.mask !== NO_MASK && event.mask !== ~window.page.maskLo >>> 0;

/** The text of a mismatch for people. */
export const formatMismatch = (mismatch: Mismatch): string =>
  `line ${mismatch.line}: ${mismatch.text}\n    recorded: ${mismatch.expected}, ours: ${mismatch.actual}`;
