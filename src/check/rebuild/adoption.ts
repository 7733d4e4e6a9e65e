import { IommuError } from "../../base/errors.ts";
import { hex, toBig } from "../../base/u64.ts";
import { POST_LOAD, PRE_SAVE, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { DEFAULT_PAGE_SHIFT, isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import { PHB_DEFAULTS } from "../../spapr/phb.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { type Place, placeOf } from "../findings/place.ts";
import type { WindowHosts } from "./hosts.ts";
import type { RebuildParts } from "./parts.ts";
import { Certainty, type RebuiltWindow } from "./rebuilt-window.ts";
import type { RebuiltWindows } from "./rebuilt-windows.ts";
import type { Verdicts } from "./verdicts.ts";

/** Entries that a window is given whose end a trace does not show. */
const ASSUMED_ENTRIES = 2 ** 31;
/** Printed by a translation outside of the table. */
export const NO_MASK = 0xffff_ffff;
/** Where a saved state is loaded. */
const BEFORE_ALL: Place = { event: 0, line: 0 };

/** Windows that are there without having been created in the trace: it begins after that, or they were saved. */
export class WindowAdoption {
  readonly #windows: RebuiltWindows;
  readonly #hosts: WindowHosts;
  readonly #verdicts: Verdicts;

  constructor({ windows, hosts, verdicts }: RebuildParts) {
    this.#windows = windows;
    this.#hosts = hosts;
    this.#verdicts = verdicts;
  }

  /**
   * Takes over a window with entries that are all known, as a saved machine has
   * it; without a table the window is not there.
   *
   * @throws IommuError BAD_SHAPE if the table does not fit the window, which can be only with VIO
   */
  load(liobn: number, pageShift: number, busOffset: bigint, table: TceView | null): void {
    this.#windows.remove(liobn, "reset", BEFORE_ALL);
    const window = this.#hosts.placed(liobn, pageShift, busOffset, table?.length ?? 0);
    if (window === undefined || table === null) return;
    if (window.entries !== table.length) {
      const message = `a table of ${table.length} entries for window ${hex(liobn)}, which has ${window.entries}`;
      throw new IommuError("BAD_SHAPE", message, { liobn });
    }
    window.table = TceTable.from(table);
    this.#windows.add(window, Certainty.KNOWN, false, undefined);
  }

  /** A saved or loaded table: the geometry is printed, the entries are not. */
  saved(event: QemuTraceEvent, entries: number): void {
    const { liobn } = event;
    const busOffset = toBig(event.busOffsetHi, event.busOffsetLo);
    const rebuilt = this.#windows.byLiobn.get(liobn);
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
    this.#windows.remove(liobn, "reset", placeOf(event));
    const window = this.#hosts.placed(liobn, event.pageShift, busOffset, entries);
    if (window === undefined) return;
    const loaded = event.kind === POST_LOAD ? placeOf(event) : undefined;
    this.#windows.add(window, Certainty.UNKNOWN, false, loaded);
  }

  /** The window of a successful call that the trace did not create, if its geometry can be guessed. */
  called(event: QemuTraceEvent): RebuiltWindow | undefined {
    const { liobn } = event;
    if (!isPciLiobn(liobn)) return this.vio(event, Certainty.UNKNOWN);
    // A default window is likely. Others show their page size with the first translation.
    if ((liobn & 0xff) !== 0 || event.iobaHi !== 0) return undefined;
    return this.#default(liobn);
  }

  /** Adopts a window by a translation, which prints its page size, but neither its start nor its end. */
  translated(event: QemuTraceEvent): RebuiltWindow | undefined {
    const { liobn, mask } = event;
    if (!isPciLiobn(liobn)) return this.#windows.byLiobn.get(liobn) ?? this.vio(event, Certainty.UNKNOWN);
    const pageShift = 32 - Math.clz32(mask);
    if (mask === NO_MASK || pageShift < 12 || mask !== 2 ** pageShift - 1) return undefined;
    if ((liobn & 0xff) === 0 && pageShift === DEFAULT_PAGE_SHIFT) return this.#default(liobn);
    return this.#adopt(liobn, pageShift, 1n << 59n, ASSUMED_ENTRIES);
  }

  /** Adopts a window as the default one of its bridge; QEMU's default, if the bridge is not known. */
  #default(liobn: number): RebuiltWindow | undefined {
    const phb = this.#hosts.known(phbOfLiobn(liobn));
    const { dmaWinAddr, dmaWinSize } = phb ?? PHB_DEFAULTS;
    const entries = Number(BigInt.asUintN(32, dmaWinSize >> BigInt(DEFAULT_PAGE_SHIFT)));
    return this.#adopt(liobn, DEFAULT_PAGE_SHIFT, dmaWinAddr, entries);
  }

  #adopt(liobn: number, pageShift: number, busOffset: bigint, entries: number): RebuiltWindow | undefined {
    const window = this.#hosts.placed(liobn, pageShift, busOffset, entries);
    return window === undefined ? undefined : this.#windows.add(window, Certainty.UNKNOWN, true, undefined);
  }

  /** @param certainty of an empty table that is known to be new, or of one that may hold anything */
  vio(event: QemuTraceEvent, certainty: number): RebuiltWindow | undefined {
    const window = this.#hosts.vioWindow(event.liobn);
    const createdAt = certainty === Certainty.KNOWN ? placeOf(event) : undefined;
    return window === undefined ? undefined : this.#windows.add(window, certainty, false, createdAt);
  }
}
