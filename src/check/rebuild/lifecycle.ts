import { hex, log2Of, toBig } from "../../base/u64.ts";
import { DDW_CREATE, DDW_RESET, POST_LOAD, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { Machine } from "../../spapr/machine.ts";
import { buidOf, isPciLiobn, MAX_PHB_INDEX, phbOfLiobn, RtasToken } from "../../spapr/papr.ts";
import { type Place, placeOf } from "../findings/place.ts";
import type { WindowAdoption } from "./adoption.ts";
import type { WindowHosts } from "./hosts.ts";
import type { RebuildParts } from "./parts.ts";
import { Certainty } from "./rebuilt-window.ts";
import type { RebuiltWindows } from "./rebuilt-windows.ts";
import type { Verdicts } from "./verdicts.ts";
import { WindowEvidence } from "./window-evidence.ts";

/** Windows as a trace creates, removes and resets them, also by what leaves no line. */
export class WindowLifecycle {
  readonly #machine: Machine;
  readonly #windows: RebuiltWindows;
  readonly #hosts: WindowHosts;
  readonly #adoption: WindowAdoption;
  readonly #verdicts: Verdicts;
  /** LIOBN of a new_table whose meaning the next event decides; -1 if there is none. */
  #pendingTable = -1;
  #pendingPlace: Place = { event: 0, line: 0 };

  constructor({ machine, windows, hosts, verdicts }: RebuildParts, adoption: WindowAdoption) {
    this.#machine = machine;
    this.#windows = windows;
    this.#hosts = hosts;
    this.#adoption = adoption;
    this.#verdicts = verdicts;
  }

  /** Is there a new_table whose meaning the next event decides? */
  get pending(): boolean {
    return this.#pendingTable >= 0;
  }

  /** Events are missing. */
  lose(): void {
    this.#pendingTable = -1;
    for (const rebuilt of this.#windows.byLiobn.values()) {
      const { window, evidence } = rebuilt;
      const isLasting = this.#hosts.isLasting(evidence, window.liobn);
      rebuilt.doubt(isLasting ? evidence : new WindowEvidence(window, "assumed"));
    }
  }

  /**
   * A table was allocated. For a VIO device, and for a bridge that is new, that
   * says it all; otherwise the next event shows what happened.
   */
  newTable(event: QemuTraceEvent): void {
    const { liobn } = event;
    if (!isPciLiobn(liobn)) {
      if (!this.#windows.byLiobn.has(liobn)) this.#adoption.vio(event, Certainty.KNOWN);
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
  settle(next: QemuTraceEvent | undefined): void {
    const liobn = this.#pendingTable;
    this.#pendingTable = -1;
    if (liobn < 0) return;
    if (next !== undefined) {
      if ((next.kind === DDW_CREATE || next.kind === POST_LOAD) && next.liobn === liobn) return;
      if (next.kind === DDW_RESET && phbOf(next) === phbOfLiobn(liobn)) return;
    }
    if ((liobn & 0xff) !== 0) return;
    const known = this.#windows.byLiobn.has(liobn);
    if (!this.#resetPhb(phbOfLiobn(liobn), this.#pendingPlace)) return;
    // A reset of the machine clears VIO tables without a line; a bridge that was plugged again does not.
    if (known)
      for (const rebuilt of this.#windows.byLiobn.values()) if (!rebuilt.window.isPci) rebuilt.doubtStored();
  }

  /** All windows of a bridge go, and the default one comes, empty. */
  reset(event: QemuTraceEvent): void {
    if (!this.#resetPhb(phbOf(event), placeOf(event))) this.#verdicts.skip();
  }

  #resetPhb(index: number, place: Place): boolean {
    if (!(index >= 0 && index <= MAX_PHB_INDEX)) return false;
    const phb = this.#hosts.phb(index);
    for (const { liobn } of phb.windows) {
      this.#windows.remove(liobn, "reset", place);
      this.#hosts.unplaced.delete(liobn);
    }
    phb.resetDma();
    const evidence = this.#hosts.placeDefault(phb);
    this.#windows.add(phb.windows[0]!, Certainty.KNOWN, false, place, evidence);
    return true;
  }

  query(event: QemuTraceEvent): void {
    const index = phbOf(event);
    const phb = this.#hosts.known(index);
    const sure =
      phb?.windows.every(({ liobn }) => {
        const rebuilt = this.#windows.byLiobn.get(liobn);
        return rebuilt === undefined ? !this.#hosts.unplaced.has(liobn) : !rebuilt.assumed;
      }) ?? false;
    if (phb === undefined || !sure) {
      this.#verdicts.skip();
      return;
    }
    const args = [event.configAddress, ...buidCells(event)];
    const [, available] = this.#machine.rtas(RtasToken.QUERY_PE_DMA_WINDOW, args, 5);
    if (available === event.available) this.#verdicts.counts.statuses++;
    else {
      this.#verdicts.mismatch(
        event,
        `${event.available} windows available`,
        `${available} windows available`,
      );
    }
  }

  create(event: QemuTraceEvent): void {
    const { liobn } = event;
    const index = phbOfLiobn(liobn);
    const slot = liobn & 0xff;
    const pageShift = log2Of(event.pageSizeHi, event.pageSizeLo);
    const windowShift = log2Of(event.windowSizeHi, event.windowSizeLo);
    if (!(index >= 0 && index <= MAX_PHB_INDEX) || slot > 1) {
      this.#verdicts.mismatch(event, "a window 0 or 1 of a bridge", `LIOBN ${hex(liobn)}`);
      return;
    }
    if (pageShift < 12 || windowShift < pageShift || windowShift - pageShift > 31) {
      this.#verdicts.mismatch(event, "a window of 1 to 2^31 pages", `2^${windowShift - pageShift} pages`);
      return;
    }
    const phb = this.#hosts.phb(index);
    const window = phb.windows[slot]!;
    if (!this.#windows.byLiobn.has(phb.windows[0]!.liobn)) phb.windows[0]!.disable();
    this.#hosts.unplaced.delete(liobn);
    // A window that is still there went without a line: with the machine's reset, or before the trace began.
    this.#windows.remove(liobn, "reset", placeOf(event));
    window.disable();
    const start = toBig(event.busOffsetHi, event.busOffsetLo);
    const args = [event.configAddress, ...buidCells(event), pageShift, windowShift];
    const [status, gotLiobn, hi, lo] = this.#machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
    if (status === 0 && gotLiobn === liobn && toBig(hi!, lo!) === start) {
      this.#verdicts.counts.statuses++;
    } else {
      // The bridge has other addresses than QEMU's defaults, or windows that the trace did not show.
      for (const other of phb.windows) if (other.liobn === gotLiobn && gotLiobn !== liobn) other.disable();
      window.disable();
      window.enable(pageShift, start, 2 ** (windowShift - pageShift));
      this.#verdicts.skip();
    }
    if (window.enabled) this.#windows.add(window, Certainty.KNOWN, false, placeOf(event));
  }

  remove(event: QemuTraceEvent): void {
    this.#hosts.unplaced.delete(event.liobn);
    if (!this.#windows.remove(event.liobn, "removed", placeOf(event))) {
      this.#verdicts.skip();
      return;
    }
    const [status] = this.#machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [event.liobn], 1);
    if (status === 0) this.#verdicts.counts.statuses++;
    else this.#verdicts.skip();
    // If that restored the default window, the trace says so in its next lines.
  }
}

const phbOf = (event: QemuTraceEvent): number => Number(toBig(event.buidHi, event.buidLo) - buidOf(0));

const buidCells = (event: QemuTraceEvent): number[] => [event.buidHi, event.buidLo];
