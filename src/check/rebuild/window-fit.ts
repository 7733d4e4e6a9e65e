import { toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { placeOf } from "../findings/place.ts";
import { type Mismatch, mismatchOf } from "./mismatch.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";
import { StartVotes } from "./start-votes.ts";
import type { Verdicts } from "./verdicts.ts";
import { MAX_ENTRIES } from "./window-evidence.ts";

/** Pages that must show a start: of entries that are known to be otherwise, and of entries that may hold anything. */
const VOTES = { known: 2, unknown: 3 } as const;
/** Translations that are looked at to find a start. */
const MAX_LOOKS = 4096;
/** Answers that are kept until it is clear where a window starts. */
const MAX_HELD = 64;

/** Answers about a window whose start is open. */
interface Open {
  looks: number;
  /** Answers that do not fit, but would with another start; that nothing is mapped fits many, and has none of its own. */
  held: { readonly mismatch: Mismatch; readonly by: number | undefined }[];
}

/**
 * Fits windows of which the geometry is assumed to what a trace shows: a call
 * that succeeds, or a translation, beyond the end makes a window longer, one
 * that is refused makes it shorter, and translations of what calls stored show
 * where it starts.
 */
export class WindowFit {
  readonly #verdicts: Verdicts;
  readonly #open = new WeakMap<RebuiltWindow, Open>();

  constructor(verdicts: Verdicts) {
    this.#verdicts = verdicts;
  }

  /**
   * Fits a window to a call on its entries that does not fit it.
   *
   * @param hi bus address of the first entry
   * @param lo
   * @param count entries from there on
   * @returns false if it cannot be compared, as it lies before a start that is assumed
   */
  called(event: QemuTraceEvent, rebuilt: RebuiltWindow, hi: number, lo: number, count: number): boolean {
    const { evidence, window } = rebuilt;
    // Before the start, and far behind the end, it is no entry that a window can have.
    const first = window.indexOf(hi, lo);
    if (evidence.size === "told") return true;
    const end = first + count;
    if (!event.failed) {
      const outside = Math.min(evidence.calledOutside, evidence.translatedOutside);
      if (end <= window.entries) return true;
      if (evidence.start === "assumed" && this.#guessStart(event, rebuilt, toBig(hi, lo), count)) return true;
      if (end > outside || end > MAX_ENTRIES) return true;
      evidence.called(first, count);
    } else {
      if (first >= window.entries) {
        if (first > evidence.lastCalled && first < evidence.calledOutside) evidence.calledOutside = first;
        return true;
      }
      if (first <= Math.max(evidence.lastCalled, evidence.lastTranslated) || first === 0) {
        const before = first < evidence.firstCalled && evidence.start === "assumed";
        if (before) this.#verdicts.skip();
        return !before;
      }
      evidence.calledOutside = first;
    }
    this.#fitSize(event, rebuilt);
    return true;
  }

  /**
   * A call used an address before an assumed start, or so far behind it that the usual window would not reach it: the
   * window is taken to start where it usually does, or, if that one does not have them, at the first address that was used.
   */
  #guessStart(event: QemuTraceEvent, rebuilt: RebuiltWindow, address: bigint, count: number): boolean {
    const { evidence, window } = rebuilt;
    const { usual, firstCalled, lastCalled } = evidence;
    const shift = BigInt(window.pageShift);
    const first = Number((address - window.busOffset) >> shift);
    const low = Math.min(first, firstCalled);
    const lowest = window.busOffset + (BigInt(low) << shift);
    const usualEnd = usual.busOffset + (BigInt(usual.entries) << BigInt(usual.pageShift));
    const start = lowest >= usual.busOffset && lowest < usualEnd ? usual.busOffset : lowest;
    const by = Number((start - window.busOffset) >> shift);
    const past = lastCalled < 0 ? first + count : Math.max(first + count, lastCalled + 1);
    const end = past - by;
    if (by === 0 || start < 0n || end > MAX_ENTRIES) return false;
    evidence.startLater(by, start, "assumed");
    evidence.called(first - by, count);
    evidence.fitSize();
    evidence.shownAt ??= placeOf(event);
    rebuilt.votes.moved(by);
    const open = this.#openOf(rebuilt);
    open.held = open.held.map(({ mismatch, by: other }) => ({
      mismatch,
      by: other === undefined ? undefined : other - by,
    }));
    this.#verdicts.moved(rebuilt, start - window.busOffset);
    rebuilt.reshape(evidence.geometry);
    return true;
  }

  /** Fits a window to a translation that found an entry, or found none, where it is the other way round by now. */
  translated(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, found: boolean): void {
    const { evidence } = rebuilt;
    if (evidence.size === "told") return;
    if (found) {
      if (index >= Math.min(evidence.translatedOutside, evidence.calledOutside)) return;
      evidence.lastTranslated = index;
    } else {
      if (index < evidence.least || index === 0) return;
      evidence.translatedOutside = index;
    }
    this.#fitSize(event, rebuilt);
  }

  #fitSize(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    const { evidence, window } = rebuilt;
    evidence.fitSize();
    if (evidence.geometry.entries === window.entries) return;
    evidence.shownAt ??= placeOf(event);
    rebuilt.reshape(evidence.geometry);
  }

  /** A window has pages of another size than was assumed. */
  paged(event: QemuTraceEvent, rebuilt: RebuiltWindow, pageShift: number): void {
    const { evidence } = rebuilt;
    evidence.pages(pageShift);
    evidence.shownAt ??= placeOf(event);
    rebuilt.reshape(evidence.geometry);
  }

  /** A translation gave what a window whose start is open gives: if a call stored that, the start is right. */
  agreed(rebuilt: RebuiltWindow, index: number): void {
    const { evidence } = rebuilt;
    const open = this.#openOf(rebuilt);
    const made = rebuilt.history.eventAt(index);
    if (evidence.page === "assumed") evidence.know("page", "shown");
    if (evidence.start !== "assumed") this.#close(rebuilt, undefined);
    else if (made > rebuilt.learned.eventAt(index)) {
      evidence.know("start", "shown");
      this.#close(rebuilt, undefined);
    } else if (open.looks++ > MAX_LOOKS) this.#close(rebuilt, undefined);
  }

  /**
   * A translation did not give what a window whose start is open gives, or what was in its entry is not known.
   *
   * @returns true if another start explains it, so that it is not to be told
   */
  differs(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, actual: string): boolean {
    if (rebuilt.evidence.start !== "assumed") return false;
    const open = this.#openOf(rebuilt);
    if (open.looks++ > MAX_LOOKS) this.#close(rebuilt, undefined);
    const by = voteOf(event, rebuilt, index);
    if (by === undefined && event.perm !== 0) return false;
    const isKnown = rebuilt.knows(index);
    const mismatch = mismatchOf(event, "this translation", actual);
    if (isKnown && open.held.length < MAX_HELD) open.held.push({ mismatch, by });
    if (by === undefined) return isKnown;
    if (rebuilt.votes.count(by) < (isKnown ? VOTES.known : VOTES.unknown)) return isKnown;
    this.#move(event, rebuilt, by);
    if (!isKnown) this.#verdicts.counts.translations++;
    return true;
  }

  /** To be called when a window goes, or the trace ends: what was held is told. */
  settle(rebuilt: RebuiltWindow): void {
    if (rebuilt.isOpen) this.#close(rebuilt, undefined);
  }

  #move(event: QemuTraceEvent, rebuilt: RebuiltWindow, by: number): void {
    const { evidence, window } = rebuilt;
    const start = window.busOffset + (BigInt(by) << BigInt(window.pageShift));
    evidence.startLater(by, start, "shown");
    if (evidence.page === "assumed") evidence.know("page", "shown");
    evidence.shownAt ??= placeOf(event);
    this.#verdicts.moved(rebuilt, start - window.busOffset);
    rebuilt.reshape(evidence.geometry);
    this.#close(rebuilt, by);
  }

  /** Where the window starts is clear, or will never be. */
  #close(rebuilt: RebuiltWindow, by: number | undefined): void {
    const { held } = this.#openOf(rebuilt);
    rebuilt.isOpen = false;
    rebuilt.votes = new StartVotes();
    this.#open.delete(rebuilt);
    for (const one of held) {
      if (by === undefined) this.#verdicts.tell(one.mismatch);
      else if (one.by === by) this.#verdicts.counts.translations++;
      else if (one.by === undefined) this.#verdicts.skip();
      else this.#verdicts.tell(one.mismatch);
    }
  }

  #openOf(rebuilt: RebuiltWindow): Open {
    let open = this.#open.get(rebuilt);
    if (open === undefined) {
      open = { looks: 0, held: [] };
      this.#open.set(rebuilt, open);
    }
    return open;
  }
}

/** The start that explains a translation best, in pages from the one that a window has; undefined if there is none. */
export function voteOf(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number): number | undefined {
  const { window, history, votes, evidence } = rebuilt;
  if (event.perm === 0) return undefined;
  const shown = { index, targetHi: event.tceHi, targetLo: event.tceLo, perm: event.perm };
  return votes.vote(window.table!, history, shown, evidence.firstCalled);
}
