import { IommuError } from "../base/errors.ts";
import type { PageStep } from "../base/page-step.ts";
import { hiOf, loOf, maxBig, minBig, pageOf, smallInteger, U64_MAX } from "../base/u64.ts";
import type { MappingRun } from "./mapping-run.ts";

/**
 * What a notifier wants to hear of; QEMU's IOMMU_NOTIFIER_* flags.
 *
 * @public
 */
export const NotifierFlag = {
  NONE: 0,
  UNMAP: 1,
  MAP: 2,
  DEVIOTLB_UNMAP: 4,
  /** UNMAP and MAP */
  IOTLB_EVENTS: 3,
} as const;

// V8 folds a constant of the module itself.
const { UNMAP, MAP } = NotifierFlag;

/**
 * How to make a notifier. Offsets are relative to the IOMMU region.
 *
 * @public
 */
export interface NotifierOptions {
  /** For messages: who asks. */
  readonly name: string;
  /** OR of {@link NotifierFlag}s, not NONE. */
  readonly flags: number;
  /** First offset of interest; default 0. */
  readonly start?: bigint;
  /** Last offset of interest, inclusive; default 2^64 - 1. */
  readonly last?: bigint;
  /** IOMMU index; default 0. */
  readonly index?: number;
  /**
   * Deliver replayed pages like any others: only those inside of the range.
   * QEMU replays the whole region to every notifier (QEMU-REPLAY-1), which is the default.
   */
  readonly cropReplay?: boolean;
  /**
   * Receives the pages that lie inside of the range. The run is reused
   * afterwards. The callback may make any call, on any machine: see "Callbacks"
   * in docs/architecture.md.
   */
  readonly notify: (run: MappingRun) => void;
  /**
   * Receives the part inside of the range of a page that its edge cuts. Without
   * it such a page is not delivered and counts as a hazard: QEMU up to 10.0
   * has no defined answer there, 11.1 delivers the part (QEMU-NOTIFY-3).
   *
   * @param iova offset of the part in the region
   * @param last its last offset
   * @param target the whole page's target, not moved by the cut
   */
  readonly notifyCut?: (iova: bigint, last: bigint, target: bigint, perm: number) => void;
}

/**
 * Somebody who mirrors the mappings of an IOMMU region, such as VFIO.
 *
 * @public
 */
export class IommuNotifier {
  readonly name: string;
  readonly flags: number = 0;
  readonly start: bigint;
  readonly last: bigint;
  readonly index: number = 0;
  /** Pages that were not delivered because the edge of the range cuts them. */
  hazards = 0;
  // No private names: those cost most of what making one costs, and a replay may be for a notifier of its own.
  /** @internal */
  protected readonly cropReplay: boolean;
  /** @internal */
  readonly notify: (run: MappingRun) => void;
  /** @internal */
  protected readonly notifyCut: NotifierOptions["notifyCut"];
  // The range in pages of the size it was computed for: wholly inside, and touched. The last page, not the one after it:
  // in a window of 2^31 pages that is still a small integer for V8.
  /** @internal log2 of that size: V8 compares numbers faster than objects. */
  shift = -1;
  /** @internal */
  insideFirst = 0;
  /** @internal */
  insideLast = -1;
  /** @internal */
  protected touchedFirst = 0;
  /** @internal */
  protected touchedEnd = 0;

  /** @throws IommuError BAD_ARGUMENT if the flags are NONE or unknown, or the range is empty */
  constructor(options: NotifierOptions) {
    const { name, flags, start = 0n, last = U64_MAX, index = 0 } = options;
    if (!Number.isInteger(flags) || flags <= 0 || flags > 7) {
      throw new IommuError("BAD_ARGUMENT", `notifier ${name}: flags ${flags} must be MAP, UNMAP or both`, {
        flags,
      });
    }
    if (start < 0n || last > U64_MAX || start > last) {
      throw new IommuError(
        "BAD_ARGUMENT",
        `notifier ${name}: ${start} to ${last} is no range of offsets below 2^64`,
        { start, last },
      );
    }
    this.name = name;
    this.flags = flags;
    this.start = start;
    this.last = last;
    this.index = index;
    this.cropReplay = options.cropReplay ?? false;
    this.notify = options.notify;
    this.notifyCut = options.notifyCut;
  }

  /** Are the pages from `first` to before `end` wholly inside of the range? Nearly all are. */
  covers(page: PageStep, first: number, end: number): boolean {
    if (page.shift !== this.shift) this.computePages(page);
    return first >= this.insideFirst && end - 1 <= this.insideLast;
  }

  /** Tells a run that is wholly inside of the range, if it is of a kind that is wanted. */
  tell(run: MappingRun): void {
    if ((this.flags & (run.perm === 0 ? UNMAP : MAP)) !== 0) this.notify(run);
  }

  /**
   * Where the part of a stretch ends that begins with its first page: pages
   * that are all outside of the range, all inside, or one that its edge cuts.
   * {@link tellPart} takes such a part, so that its caller can look between
   * two callbacks whether the next one is still to be made.
   */
  partEnd(page: PageStep, first: number, end: number): number {
    if (page.shift !== this.shift) this.computePages(page);
    if (first < this.touchedFirst) return Math.min(end, this.touchedFirst);
    if (first >= this.touchedEnd) return end;
    return this.#isInside(first) ? Math.min(end, this.insideLast + 1) : first + 1;
  }

  /** Tells one part of a run, the pages from `first` to before `end` (see {@link partEnd}). */
  tellPart(run: MappingRun, first: number, end: number): void {
    if (first < this.touchedFirst || first >= this.touchedEnd) return;
    const part = run.slice(first - run.firstPage, end - first);
    if (this.#isInside(first)) this.tell(part);
    else this.#tellCut(part);
  }

  /** Where the part of a replayed run ends: all of it, unless replays are cropped. */
  replayEnd(page: PageStep, first: number, end: number): number {
    return this.cropReplay ? this.partEnd(page, first, end) : end;
  }

  /** Tells one part of a replayed run. */
  tellReplayed(run: MappingRun, first: number, end: number): void {
    const { firstPage, pages, page } = run;
    if (this.cropReplay && !this.covers(page, first, end)) this.tellPart(run, first, end);
    else {
      const whole = first === firstPage && end === firstPage + pages;
      const part = whole ? run : run.slice(first - firstPage, end - first);
      // Like QEMU, a replay that is not cropped does not ask what the notifier wants.
      if (this.cropReplay) this.tell(part);
      else this.notify(part);
    }
  }

  #isInside(page: number): boolean {
    return page >= this.insideFirst && page <= this.insideLast;
  }

  #tellCut(page: MappingRun): void {
    if (this.notifyCut === undefined) {
      this.hazards++;
      return;
    }
    if ((this.flags & (page.perm === 0 ? UNMAP : MAP)) === 0) return;
    this.notifyCut(
      maxBig(page.iova, this.start),
      minBig(page.iova + page.sizeBytes - 1n, this.last),
      page.target,
      page.perm,
    );
  }

  /** @internal */
  protected computePages(page: PageStep): void {
    const { shift } = page;
    const size = 1n << BigInt(shift);
    const end = this.last + 1n;
    const pages = (address: bigint): number => pageOf(hiOf(address), loOf(address), shift);
    this.touchedFirst = pages(this.start);
    this.insideFirst = this.start % size === 0n ? this.touchedFirst : this.touchedFirst + 1;
    // `end` may be 2^64, which has no halves: the page behind the last byte is one more than its page.
    this.touchedEnd = pages(this.last) + 1;
    this.insideLast = smallInteger(end % size === 0n ? this.touchedEnd - 1 : this.touchedEnd - 2);
    this.shift = shift;
  }
}
