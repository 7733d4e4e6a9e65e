import { entryOf, hex, toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { IommuTranslation } from "../../memory/iommu-translation.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import { NO_MASK, pageShiftOf, type WindowAdoption } from "./adoption.ts";
import type { WindowHosts } from "./hosts.ts";
import type { RebuildObserver } from "./observer.ts";
import type { RebuildParts } from "./parts.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";
import type { RebuiltWindows } from "./rebuilt-windows.ts";
import type { RebuildCounts, Verdicts } from "./verdicts.ts";
import { voteOf, type WindowFit } from "./window-fit.ts";

/** Makes the translations of a trace in our windows, and compares what comes out. */
export class RebuiltTranslations {
  readonly #windows: RebuiltWindows;
  readonly #adoption: WindowAdoption;
  readonly #hosts: WindowHosts;
  readonly #verdicts: Verdicts;
  readonly #fit: WindowFit;
  readonly #counts: RebuildCounts;
  readonly #observer: RebuildObserver | null;
  readonly #translation = new IommuTranslation();
  /**
   * The window of the translation before, if that was as nearly all are: of an entry that is known, and as the engine has it. It changed
   * nothing that is known of the window.
   */
  plain: RebuiltWindow | undefined;

  constructor({ windows, hosts, verdicts, fit, observer }: RebuildParts, adoption: WindowAdoption) {
    this.#windows = windows;
    this.#hosts = hosts;
    this.#adoption = adoption;
    this.#observer = observer;
    this.#verdicts = verdicts;
    this.#fit = fit;
    this.#counts = verdicts.counts;
  }

  translate(event: QemuTraceEvent): void {
    this.plain = undefined;
    const found = this.#windows.find(event);
    const isOther = found === undefined || (found.assumed && differentPages(found.window, event));
    const rebuilt = isOther ? this.#adopt(event) : found;
    if (rebuilt === undefined) return;
    const { window } = rebuilt;
    // A device that bypasses its window has no translations.
    if (window.bypass) this.#hosts.setBypass(window.liobn, false);
    const same = this.#compare(event, window);
    const index = entryOf(event.iobaHi, event.iobaLo, window.pageShift);
    // Nearly every translation. Outside of the window there is no permission.
    if (same && event.perm !== 0 && rebuilt.knows(index)) {
      this.#counts.translations++;
      if (rebuilt.isOpen) this.#fit.agreed(rebuilt, index);
      else this.plain = rebuilt;
    } else this.#translateOther(event, rebuilt);
  }

  #adopt(event: QemuTraceEvent): RebuiltWindow | undefined {
    const rebuilt = this.#adoption.translated(event);
    if (rebuilt === undefined) this.#verdicts.skip();
    return rebuilt;
  }

  #compare(event: QemuTraceEvent, window: DmaWindow): boolean {
    const entry = this.#translation;
    window.translate(event.iobaHi, event.iobaLo, entry);
    return (
      entry.perm === event.perm &&
      entry.targetLo >>> 0 === event.tceLo &&
      entry.targetHi >>> 0 === event.tceHi &&
      entry.maskLo >>> 0 === event.mask
    );
  }

  /** A translation of what is not known, outside of the window, or otherwise than it is: does the window fit it? */
  #translateOther(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    const { window, evidence } = rebuilt;
    const pageShift = pageShiftOf(event.mask);
    if (evidence.page === "assumed" && pageShift !== undefined && pageShift !== window.pageShift)
      this.#fit.paged(event, rebuilt, pageShift);
    const index = entryOf(event.iobaHi, event.iobaLo, window.pageShift);
    const found = event.mask !== NO_MASK;
    if (found ? index >= window.entries : index < window.entries)
      this.#fit.translated(event, rebuilt, index, found);
    const same = this.#compare(event, window);
    if (index < window.entries) this.#translateEntry(event, rebuilt, index, same);
    else this.#translateOutside(event, rebuilt, same);
  }

  #translateOutside(event: QemuTraceEvent, rebuilt: RebuiltWindow, same: boolean): void {
    const { evidence, window } = rebuilt;
    if (!same) {
      this.#verdicts.mismatch(event, "a translation outside of the window", `${window.entries} entries`);
      return;
    }
    const index = entryOf(event.iobaHi, event.iobaLo, window.pageShift);
    if (index < evidence.translatedOutside) evidence.translatedOutside = index;
    this.#counts.translations++;
    this.#observer?.outside(event, rebuilt);
  }

  #translateEntry(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, same: boolean): void {
    const { evidence } = rebuilt;
    if (index > evidence.lastTranslated) evidence.lastTranslated = index;
    if (rebuilt.isOpen && same && event.perm !== 0) this.#fit.agreed(rebuilt, index);
    if (!same || event.perm === 0) {
      const isExplained = this.#observer?.translated(event, rebuilt, index, same) === true;
      if (isExplained) return;
    }
    const isEmpty = event.perm === 0 && (event.tceHi | event.tceLo) === 0;
    if (!same && isEmpty && this.#verdicts.cleared(rebuilt, index)) return;
    if (rebuilt.isOpen && !same) {
      const isFor = this.#fit.differs(event, rebuilt, index, textOf(this.#translation));
      if (isFor) return;
    }
    if (!rebuilt.knows(index)) this.#verdicts.learn(event, rebuilt, index, same);
    else if (same) this.#counts.translations++;
    else {
      const by = voteOf(event, rebuilt, index);
      const start = by === undefined ? undefined : rebuilt.iobaOf(by);
      this.#verdicts.mismatch(event, "this translation", textOf(this.#translation), start);
    }
  }
}

const differentPages = (window: DmaWindow, event: QemuTraceEvent): boolean =>
  event.mask !== NO_MASK && event.mask !== ~window.page.maskLo >>> 0;

const textOf = (entry: IommuTranslation): string =>
  `-> ${hex(toBig(entry.targetHi, entry.targetLo))} perm=${entry.perm} mask=${hex(entry.maskLo >>> 0)}`;
