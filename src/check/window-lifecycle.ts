import { IommuError } from "../base/errors.ts";
import { hex, toBig } from "../base/u64.ts";
import { DDW_CREATE, DDW_RESET, POST_LOAD, PRE_SAVE, type TraceEvent } from "../formats/trace/trace-event.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import type { Machine } from "../spapr/machine.ts";
import { DEFAULT_PAGE_SHIFT, PCI_LIOBN_FLAG, RtasToken } from "../spapr/papr.ts";
import { PHB_DEFAULTS, type PhbConfig } from "../spapr/phb.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { TceView } from "../tce/tce-view.ts";
import { PositionScale } from "./entry-history.ts";
import type { Place } from "./finding.ts";
import type { Removal } from "./rebuild-observer.ts";
import { Certainty, RebuiltWindow } from "./rebuilt-window.ts";
import type { Verdicts } from "./verdicts.ts";
import { MAX_PHB, phbOfLiobn, WindowHosts } from "./window-hosts.ts";

/** Entries that a window is given whose end a trace does not tell. */
const ASSUMED_ENTRIES = 2 ** 31;
/** Printed by a translation outside of the table. */
export const NO_MASK = 0xffff_ffff;
/** Where a saved state is loaded. */
const BEFORE_ALL: Place = { event: 0, line: 0 };

/**
 * The windows that a trace tells of: created and removed, also by what leaves
 * no line, and adopted when the trace begins behind their creation.
 */
export class WindowLifecycle {
  readonly machine: Machine;
  readonly #windows = new Map<number, RebuiltWindow>();
  /** The window found last, while it is there: nearly all events are of the window of the one before. */
  #last: RebuiltWindow | undefined;
  readonly scale: PositionScale = new PositionScale();
  readonly #verdicts: Verdicts;
  readonly #hosts: WindowHosts;
  /** LIOBN of a new_table whose meaning the next event tells; -1 if there is none. */
  #pendingTable = -1;
  #pendingPlace = BEFORE_ALL;

  constructor(machine: Machine, verdicts: Verdicts) {
    this.machine = machine;
    this.#verdicts = verdicts;
    this.#hosts = new WindowHosts(machine);
  }

  /** Windows that are enabled now, by LIOBN. */
  get windows(): ReadonlyMap<number, RebuiltWindow> {
    return this.#windows;
  }

  /** The window of an event. */
  find(event: TraceEvent): RebuiltWindow | undefined {
    const last = this.#last;
    if (last !== undefined && event.liobnHi === 0 && event.liobnLo === last.window.liobn) return last;
    this.#last = this.#windows.get(event.liobn);
    return this.#last;
  }

  /** Is there a new_table whose meaning the next event tells? */
  get pending(): boolean {
    return this.#pendingTable >= 0;
  }

  /** Events are missing. */
  lose(): void {
    this.#pendingTable = -1;
    for (const rebuilt of this.#windows.values()) rebuilt.doubt();
  }

  /**
   * A table was allocated. For a VIO device, and for a bridge that is new, that
   * says it all; otherwise the next event tells what happened.
   */
  newTable(event: TraceEvent): void {
    const { liobn } = event;
    if (liobn < PCI_LIOBN_FLAG) {
      if (!this.#windows.has(liobn)) this.#addVio(event, Certainty.KNOWN);
      return;
    }
    this.#pendingTable = liobn;
    this.#pendingPlace = placeOf(event);
  }

  /**
   * Settles a new_table by the event that follows it. A window that is created,
   * loaded or reset has an event of its own. The default window's table without
   * one means that the bridge was reset with its machine, or plugged; another
   * window's table was only allocated anew, because a device was plugged.
   */
  settle(next: TraceEvent | undefined): void {
    const liobn = this.#pendingTable;
    this.#pendingTable = -1;
    if (liobn < 0) return;
    if (next !== undefined) {
      if ((next.kind === DDW_CREATE || next.kind === POST_LOAD) && next.liobn === liobn) return;
      if (next.kind === DDW_RESET && phbOf(next) === phbOfLiobn(liobn)) return;
    }
    if ((liobn & 0xff) !== 0) return;
    const known = this.#windows.has(liobn);
    if (!this.#resetPhb(phbOfLiobn(liobn), this.#pendingPlace)) return;
    // A reset of the machine clears VIO tables without a line; a bridge that was plugged again does not.
    if (known) for (const rebuilt of this.#windows.values()) if (!rebuilt.window.isPci) rebuilt.doubtStored();
  }

  /** All windows of a bridge go, and the default one comes, empty. */
  reset(event: TraceEvent): void {
    if (!this.#resetPhb(phbOf(event), placeOf(event))) this.#verdicts.skip();
  }

  #resetPhb(index: number, place: Place): boolean {
    if (!(index >= 0 && index <= MAX_PHB)) return false;
    const phb = this.#hosts.phb(index);
    for (const window of phb.windows) this.#forget(window.liobn, "reset", place);
    phb.resetDma();
    const [first] = phb.windows;
    this.#register(first!, Certainty.KNOWN, false, place);
    return true;
  }

  #forget(liobn: number, how: Removal, place: Place): boolean {
    const rebuilt = this.#windows.get(liobn);
    if (rebuilt === undefined) return false;
    this.#verdicts.observer?.removing(rebuilt, place, how);
    this.#last = undefined;
    return this.#windows.delete(liobn);
  }

  #register(window: DmaWindow, certainty: number, assumed: boolean, createdAt: Place | undefined) {
    const rebuilt = new RebuiltWindow(window, certainty, assumed, this.scale, createdAt);
    this.#last = undefined;
    this.#windows.set(window.liobn, rebuilt);
    this.#verdicts.observer?.created(rebuilt);
    return rebuilt;
  }

  query(event: TraceEvent): void {
    const index = phbOf(event);
    const phb = this.machine.phbs.find((bridge) => bridge.index === index);
    const sure = phb?.windows.every((window) => this.#windows.get(window.liobn)?.assumed !== true) ?? false;
    if (phb === undefined || !sure) {
      this.#verdicts.skip();
      return;
    }
    const args = [event.configAddress, ...buidCells(event)];
    const [, available] = this.machine.rtas(RtasToken.QUERY_PE_DMA_WINDOW, args, 5);
    if (available === event.available) this.#verdicts.counts.statuses++;
    else {
      this.#verdicts.mismatch(
        event,
        `${event.available} windows available`,
        `${available} windows available`,
      );
    }
  }

  create(event: TraceEvent): void {
    const { liobn } = event;
    const index = phbOfLiobn(liobn);
    const slot = liobn & 0xff;
    const pageShift = shiftOf(event.pageSizeHi, event.pageSizeLo);
    const windowShift = shiftOf(event.windowSizeHi, event.windowSizeLo);
    if (!(index >= 0 && index <= MAX_PHB) || slot > 1) {
      this.#verdicts.mismatch(event, "a window 0 or 1 of a bridge", `LIOBN ${hex(liobn)}`);
      return;
    }
    if (pageShift < 12 || windowShift < pageShift || windowShift - pageShift > 31) {
      this.#verdicts.mismatch(event, "a window of 1 to 2^31 pages", `2^${windowShift - pageShift} pages`);
      return;
    }
    const phb = this.#hosts.phb(index);
    const window = phb.windows[slot]!;
    if (!this.#windows.has(phb.windows[0]!.liobn)) phb.windows[0]!.disable();
    // A window that is still there went without a line: with the machine's reset, or before the trace began.
    this.#forget(liobn, "reset", placeOf(event));
    window.disable();
    const start = toBig(event.busOffsetHi, event.busOffsetLo);
    const args = [event.configAddress, ...buidCells(event), pageShift, windowShift];
    const [status, gotLiobn, hi, lo] = this.machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
    if (status === 0 && gotLiobn === liobn && toBig(hi!, lo!) === start) {
      this.#verdicts.counts.statuses++;
    } else {
      // The bridge has other addresses than QEMU's defaults, or windows that the trace did not tell of.
      for (const other of phb.windows) if (other.liobn === gotLiobn && gotLiobn !== liobn) other.disable();
      window.disable();
      window.enable(pageShift, start, 2 ** (windowShift - pageShift));
      this.#verdicts.skip();
    }
    if (window.enabled) this.#register(window, Certainty.KNOWN, false, placeOf(event));
  }

  remove(event: TraceEvent): void {
    if (!this.#forget(event.liobn, "removed", placeOf(event))) {
      this.#verdicts.skip();
      return;
    }
    const [status] = this.machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [event.liobn], 1);
    if (status === 0) this.#verdicts.counts.statuses++;
    else this.#verdicts.skip();
    // If that restored the default window, the trace says so in its next lines.
  }

  /** A saved or loaded table: the geometry is printed, the entries are not. */
  adoptSaved(event: TraceEvent, entries: number): void {
    const { liobn } = event;
    const busOffset = toBig(event.busOffsetHi, event.busOffsetLo);
    const rebuilt = this.#windows.get(liobn);
    const same =
      rebuilt !== undefined &&
      rebuilt.window.entries === entries &&
      rebuilt.window.busOffset === busOffset &&
      rebuilt.window.pageShift === event.pageShift;
    if (event.kind === PRE_SAVE && (same || (rebuilt === undefined && entries === 0))) {
      this.#verdicts.counts.statuses++;
      return;
    }
    if (event.kind === PRE_SAVE && rebuilt !== undefined && !rebuilt.assumed) {
      this.#verdicts.mismatch(event, `${entries} entries`, `${rebuilt.window.entries} entries`);
      return;
    }
    this.#forget(liobn, "reset", placeOf(event));
    const window = this.#hosts.placed(liobn, event.pageShift, busOffset, entries);
    if (window === undefined) return;
    const loaded = event.kind === POST_LOAD ? placeOf(event) : undefined;
    this.#register(window, Certainty.UNKNOWN, false, loaded);
  }

  /**
   * Takes over a window with entries that are all known, as a saved machine has
   * it; without a table the window is not there.
   *
   * @throws IommuError BAD_SHAPE if the table does not fit the window, which can be only with VIO
   */
  load(liobn: number, pageShift: number, busOffset: bigint, table: TceView | null): void {
    this.#forget(liobn, "reset", BEFORE_ALL);
    const window = this.#hosts.placed(liobn, pageShift, busOffset, table?.length ?? 0);
    if (window === undefined || table === null) return;
    if (window.entries !== table.length) {
      const message = `a table of ${table.length} entries for window ${hex(liobn)}, which has ${window.entries}`;
      throw new IommuError("BAD_SHAPE", message, { liobn });
    }
    window.table = TceTable.from(table);
    this.#register(window, Certainty.KNOWN, false, undefined);
  }

  /** Tells of a bridge before its first event: a trace does not say what its default window is like. */
  knowBridge(config: PhbConfig): void {
    this.machine.plugPhb(config).windows[0]!.disable();
  }

  /** The window of a successful call that the trace did not create, if its geometry can be guessed. */
  adoptCalled(event: TraceEvent): RebuiltWindow | undefined {
    const { liobn } = event;
    if (liobn < PCI_LIOBN_FLAG) return this.#addVio(event, Certainty.UNKNOWN);
    // A default window is likely. Others tell their page size with the first translation.
    if ((liobn & 0xff) !== 0 || event.iobaHi !== 0) return undefined;
    return this.#adoptDefault(liobn);
  }

  /** Adopts a window by a translation, which prints its page size, but neither its start nor its end. */
  adoptTranslated(event: TraceEvent): RebuiltWindow | undefined {
    const { liobn, mask } = event;
    if (liobn < PCI_LIOBN_FLAG) return this.#windows.get(liobn) ?? this.#addVio(event, Certainty.UNKNOWN);
    const pageShift = 32 - Math.clz32(mask);
    if (mask === NO_MASK || pageShift < 12 || mask !== 2 ** pageShift - 1) return undefined;
    if ((liobn & 0xff) === 0 && pageShift === DEFAULT_PAGE_SHIFT) return this.#adoptDefault(liobn);
    return this.#adopt(liobn, pageShift, 1n << 59n, ASSUMED_ENTRIES);
  }

  /** Adopts a window as the default one of its bridge; QEMU's default, if the bridge is not known. */
  #adoptDefault(liobn: number): RebuiltWindow | undefined {
    const phb = this.machine.phbs.find(({ index }) => index === phbOfLiobn(liobn));
    const { dmaWinAddr, dmaWinSize } = phb ?? PHB_DEFAULTS;
    const entries = Number(BigInt.asUintN(32, dmaWinSize >> BigInt(DEFAULT_PAGE_SHIFT)));
    return this.#adopt(liobn, DEFAULT_PAGE_SHIFT, dmaWinAddr, entries);
  }

  #adopt(liobn: number, pageShift: number, busOffset: bigint, entries: number): RebuiltWindow | undefined {
    const window = this.#hosts.placed(liobn, pageShift, busOffset, entries);
    return window === undefined ? undefined : this.#register(window, Certainty.UNKNOWN, true, undefined);
  }

  #addVio(event: TraceEvent, certainty: number): RebuiltWindow | undefined {
    const window = this.#hosts.vioWindow(event.liobn);
    const createdAt = certainty === Certainty.KNOWN ? placeOf(event) : undefined;
    return window === undefined ? undefined : this.#register(window, certainty, false, createdAt);
  }
}

/** Where an event stands. */
export const placeOf = (event: TraceEvent): Place => ({ event: event.number, line: event.position });

const phbOf = (event: TraceEvent): number =>
  Number(BigInt.asUintN(32, toBig(event.buidHi, event.buidLo))) - 0x2000_0000;

const buidCells = (event: TraceEvent): number[] => [event.buidHi, event.buidLo];

/** log2 of a power of two in halves. */
const shiftOf = (hi: number, lo: number): number => (hi === 0 ? 31 - Math.clz32(lo) : 63 - Math.clz32(hi));
