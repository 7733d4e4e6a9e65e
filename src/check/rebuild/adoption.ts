import { toBig } from "../../base/u64.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { POST_LOAD, PRE_SAVE, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { DEFAULT_PAGE_SHIFT, isPciLiobn } from "../../spapr/papr.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { type Place, placeOf } from "../findings/place.ts";
import { geometryOf, HIGH, type WindowHosts } from "./hosts.ts";
import type { RebuildParts } from "./parts.ts";
import { Certainty, type RebuiltWindow } from "./rebuilt-window.ts";
import type { RebuiltWindows } from "./rebuilt-windows.ts";
import type { Verdicts } from "./verdicts.ts";
import { type Geometry, WindowEvidence } from "./window-evidence.ts";
import type { WindowFit } from "./window-fit.ts";

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
  readonly #fit: WindowFit;

  constructor({ windows, hosts, verdicts, fit }: RebuildParts) {
    this.#windows = windows;
    this.#hosts = hosts;
    this.#verdicts = verdicts;
    this.#fit = fit;
  }

  /**
   * Takes over a window with entries that are all known, as a saved machine has
   * it; without a table the window is not there.
   */
  load(liobn: number, pageShift: number, busOffset: bigint, table: TceView | null): void {
    this.#windows.remove(liobn, "reset", BEFORE_ALL);
    const window = this.#hosts.placed(liobn, pageShift, busOffset, table?.length ?? 0);
    if (window === undefined || table === null) return;
    window.table = TceTable.from(table);
    this.#windows.add(window, Certainty.KNOWN, false, undefined);
  }

  /** Takes over the windows that somebody told of; returns those of whose pages nobody knows the size. */
  told(): ToldWindow[] {
    return this.#hosts.allTold.filter((told) => {
      const { liobn, pageShift } = told;
      // The default window of a bridge has the usual pages, if it was not replaced.
      const isLasting = !isPciLiobn(liobn) || this.#hosts.isToldDefault(told);
      if (pageShift === undefined && !isLasting) {
        this.#hosts.unplaced.add(liobn);
        return true;
      }
      return (isLasting ? this.#lasting(liobn) : this.#told(told, pageShift!)) === undefined;
    });
  }

  /** A saved or loaded table: the geometry is printed, the entries are not. */
  saved(event: QemuTraceEvent, entries: number): void {
    const { liobn } = event;
    const busOffset = toBig(event.busOffsetHi, event.busOffsetLo);
    const geometry = { busOffset, pageShift: event.pageShift, entries };
    const rebuilt = this.#windows.byLiobn.get(liobn);
    if (event.kind === PRE_SAVE && this.#savedAs(rebuilt, geometry)) return;
    if (event.kind === PRE_SAVE && rebuilt !== undefined && !rebuilt.assumed) {
      this.#verdicts.mismatch(event, `${entries} entries`, `${rebuilt.window.entries} entries`);
      return;
    }
    this.#windows.remove(liobn, "reset", placeOf(event));
    const window = this.#hosts.placed(liobn, event.pageShift, busOffset, entries);
    if (window === undefined) return;
    // Window 0 of a bridge is the default one, unless it was created in its place: then it lies high or has large pages.
    const isDefault = (liobn & 0xff) === 0 && event.pageShift === DEFAULT_PAGE_SHIFT && busOffset < HIGH;
    const evidence =
      isDefault || !isPciLiobn(liobn) ? this.#hosts.evidenceOf(liobn) : new WindowEvidence(geometry, "told");
    evidence.tell(geometry);
    const loaded = event.kind === POST_LOAD ? placeOf(event) : undefined;
    this.#windows.add(window, Certainty.UNKNOWN, false, loaded, evidence);
  }

  /** Is a window as it is saved, or can it be, as far as the trace told before? Then it is so from now on. */
  #savedAs(rebuilt: RebuiltWindow | undefined, geometry: Geometry): boolean {
    const { busOffset, pageShift, entries } = geometry;
    if (rebuilt === undefined) {
      if (entries > 0) return false;
      this.#verdicts.counts.statuses++;
      return true;
    }
    const { window, evidence } = rebuilt;
    const same =
      window.entries === entries && window.busOffset === busOffset && window.pageShift === pageShift;
    if (!same) {
      const canBe =
        (evidence.start === "assumed" || window.busOffset === busOffset) &&
        (evidence.page === "assumed" || window.pageShift === pageShift) &&
        evidence.size !== "told" &&
        entries >= (evidence.start === "assumed" ? 1 : evidence.least);
      if (!canBe) return false;
    }
    this.#verdicts.counts.statuses++;
    this.#fit.settle(rebuilt);
    rebuilt.assumed = false;
    evidence.tell(geometry);
    rebuilt.isOpen = false;
    if (!same) {
      this.#verdicts.moved(rebuilt, busOffset - window.busOffset);
      rebuilt.reshape(geometry);
    }
    return true;
  }

  /** The window of a successful call that the trace did not create, if its geometry can be guessed. */
  called(event: QemuTraceEvent): RebuiltWindow | undefined {
    const { liobn } = event;
    if (!isPciLiobn(liobn)) return this.vio(event, Certainty.UNKNOWN);
    // A default window is likely. Others show their page size with the first translation.
    const told = this.#hosts.told(liobn);
    if (told === undefined ? (liobn & 0xff) !== 0 : !this.#hosts.isToldDefault(told))
      return told?.pageShift === undefined ? undefined : this.#told(told, told.pageShift);
    if (event.iobaHi !== 0 && told === undefined) return undefined;
    return this.#lasting(liobn);
  }

  /** Adopts a window by a translation, which prints its page size, but neither its start nor its end. */
  translated(event: QemuTraceEvent): RebuiltWindow | undefined {
    const { liobn, mask } = event;
    if (!isPciLiobn(liobn)) return this.#windows.byLiobn.get(liobn) ?? this.vio(event, Certainty.UNKNOWN);
    const pageShift = pageShiftOf(mask);
    const told = this.#hosts.told(liobn);
    const shift = pageShift ?? told?.pageShift;
    if (shift === undefined) return undefined;
    const isDefault =
      told === undefined
        ? (liobn & 0xff) === 0 && shift === DEFAULT_PAGE_SHIFT
        : this.#hosts.isToldDefault(told);
    if (isDefault) return this.#lasting(liobn);
    if (told !== undefined) return this.#told(told, shift);
    const geometry = { busOffset: HIGH, pageShift: shift, entries: ASSUMED_ENTRIES };
    return this.#adopt(liobn, geometry, new WindowEvidence(geometry, "assumed", "shown"));
  }

  /** Adopts a window as the default one of its bridge. */
  #lasting(liobn: number): RebuiltWindow | undefined {
    const evidence = this.#hosts.evidenceOf(liobn);
    return this.#adopt(liobn, evidence.geometry, evidence);
  }

  /** Adopts a window of which somebody knows. */
  #told(told: ToldWindow, pageShift: number): RebuiltWindow | undefined {
    const geometry = geometryOf(told, pageShift);
    return this.#adopt(told.liobn, geometry, new WindowEvidence(geometry, "told"));
  }

  #adopt(liobn: number, geometry: Geometry, evidence: WindowEvidence): RebuiltWindow | undefined {
    const { pageShift, busOffset, entries } = geometry;
    const window = this.#hosts.placed(liobn, pageShift, busOffset, entries);
    const isGuess = evidence.start !== "told";
    return window === undefined
      ? undefined
      : this.#windows.add(window, Certainty.UNKNOWN, isGuess, undefined, evidence);
  }

  /** @param certainty of an empty table that is known to be new, or of one that may hold anything */
  vio(event: QemuTraceEvent, certainty: number): RebuiltWindow | undefined {
    const { geometry } = this.#hosts.evidenceOf(event.liobn);
    const window = this.#hosts.placed(event.liobn, geometry.pageShift, geometry.busOffset, geometry.entries);
    const createdAt = certainty === Certainty.KNOWN ? placeOf(event) : undefined;
    return window === undefined
      ? undefined
      : this.#windows.add(window, certainty, false, createdAt, this.#hosts.evidenceOf(event.liobn));
  }
}

/** log2 of the page size that a translation prints; undefined if it was outside of its table, or prints no mask. */
export function pageShiftOf(mask: number): number | undefined {
  const pageShift = 32 - Math.clz32(mask);
  return mask === NO_MASK || pageShift < 12 || mask !== 2 ** pageShift - 1 ? undefined : pageShift;
}
