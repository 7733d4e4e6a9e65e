import type { ToldWindow } from "../../formats/machine/told-window.ts";
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
  type QemuTraceEvent,
  STUFF,
  XLATE,
} from "../../formats/trace/trace-event.ts";
import { Machine } from "../../spapr/machine.ts";
import type { PhbConfig } from "../../spapr/phb.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { WindowAdoption } from "./adoption.ts";
import { RebuiltCalls } from "./calls.ts";
import { POSITION_SPAN } from "./entry-history.ts";
import { WindowHosts } from "./hosts.ts";
import { WindowLifecycle } from "./lifecycle.ts";
import type { Mismatch } from "./mismatch.ts";
import type { RebuildObserver } from "./observer.ts";
import type { RebuildParts } from "./parts.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";
import { RebuiltWindows } from "./rebuilt-windows.ts";
import { RebuiltTranslations } from "./translations.ts";
import { type RebuildCounts, Verdicts } from "./verdicts.ts";
import { WindowFit } from "./window-fit.ts";

/**
 * Rebuilds the DMA windows of a real machine from its trace, by doing what the
 * guest did on a machine of ours, and compares every answer.
 *
 * A trace may begin in the middle: windows that are used without having been
 * created are adopted with all entries unknown. A list prints only its last
 * TCE: the others are inferred until a translation or a read confirms them (LINUX-LIST-1).
 */
export class Rebuild {
  readonly machine: Machine;
  readonly #verdicts: Verdicts;
  readonly #fit: WindowFit;
  readonly #windows: RebuiltWindows;
  readonly #hosts: WindowHosts;
  readonly #adoption: WindowAdoption;
  readonly #lifecycle: WindowLifecycle;
  readonly #calls: RebuiltCalls;
  readonly #translations: RebuiltTranslations;

  /**
   * @param observer notified of what happens
   * @param told what somebody knows of the windows
   */
  constructor(profile?: string, observer: RebuildObserver | null = null, told: readonly ToldWindow[] = []) {
    this.machine = new Machine({ phbs: [], ...(profile === undefined ? {} : { profile }) });
    this.#verdicts = new Verdicts(observer);
    this.#fit = new WindowFit(this.#verdicts);
    this.#windows = new RebuiltWindows(observer, (rebuilt) => this.#fit.settle(rebuilt));
    this.#hosts = new WindowHosts(this.machine, told);
    const parts: RebuildParts = {
      machine: this.machine,
      hosts: this.#hosts,
      windows: this.#windows,
      verdicts: this.#verdicts,
      fit: this.#fit,
      observer,
    };
    this.#adoption = new WindowAdoption(parts);
    this.#lifecycle = new WindowLifecycle(parts, this.#adoption);
    this.#calls = new RebuiltCalls(parts, this.#adoption);
    this.#translations = new RebuiltTranslations(parts, this.#adoption);
  }

  /** What was compared, and how it came out. */
  get counts(): RebuildCounts {
    return this.#verdicts.counts;
  }

  /**
   * Of an event that is a translation: its window, if the event changed nothing that is known of any, as nearly none does.
   */
  get plain(): RebuiltWindow | undefined {
    return this.#translations.plain;
  }

  /** The first recorded answers that the engine does not give. */
  get mismatches(): readonly Mismatch[] {
    return this.#verdicts.mismatches;
  }

  /** Windows that are enabled now, by LIOBN. */
  get windows(): ReadonlyMap<number, RebuiltWindow> {
    return this.#windows.byLiobn;
  }

  /**
   * Takes over a window with entries that are all known, as a saved machine has
   * it; without a table the window is not there.
   *
   * @throws IommuError BAD_SHAPE if the table does not fit the window, which can be only with VIO
   */
  load(liobn: number, pageShift: number, busOffset: bigint, table: TceView | null): void {
    this.#adoption.load(liobn, pageShift, busOffset, table);
  }

  /** Takes over whether a VIO device sees memory past its window (`ibm,set-tce-bypass` leaves no line). */
  setBypass(liobn: number, bypass: boolean): void {
    this.#hosts.setBypass(liobn, bypass);
  }

  /**
   * Takes over the windows that somebody told of, with entries that are not known.
   *
   * @returns those of whose pages nobody knows the size: an event will show them
   */
  adoptTold(): ToldWindow[] {
    return this.#adoption.told();
  }

  /** Makes a bridge known before its first event: a trace does not say what its default window is like. */
  knowBridge(config: PhbConfig): void {
    this.#hosts.plug(config);
  }

  /** To be called when events are missing here: nothing is known any more but what they cannot have changed. */
  lose(): void {
    this.#lifecycle.lose();
  }

  /** Brings the windows up to date before `next` happens, for who wants to look at them there. */
  settle(next: QemuTraceEvent): void {
    if (this.#lifecycle.pending) this.#lifecycle.settle(next);
  }

  /** To be called after the last event. */
  end(): void {
    this.#lifecycle.settle(undefined);
    for (const rebuilt of this.#windows.byLiobn.values()) this.#fit.settle(rebuilt);
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    const lifecycle = this.#lifecycle;
    if (event.position >= POSITION_SPAN) this.#windows.scale.note(event.number, event.position);
    if (lifecycle.pending) lifecycle.settle(event);
    // The kinds that a trace has most of come first.
    switch (event.kind) {
      case XLATE:
        this.#translations.translate(event);
        break;
      case PUT:
        this.#calls.put(event);
        break;
      case STUFF:
        this.#calls.stuff(event);
        break;
      case INDIRECT:
        this.#calls.indirect(event);
        break;
      case GET:
        this.#calls.get(event);
        break;
      default:
        this.#handleWindow(event);
    }
  }

  /** Takes an event that makes, takes away or looks at a window as a whole; a function of its own, so that the other one is short. */
  #handleWindow(event: QemuTraceEvent): void {
    const lifecycle = this.#lifecycle;
    switch (event.kind) {
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
        this.#adoption.saved(event, event.entries);
        break;
      case POST_LOAD:
        this.#adoption.saved(event, event.newEntries);
        break;
    }
  }
}
