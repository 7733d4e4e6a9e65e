import { IommuError } from "../base/errors.ts";
import { hiOf, loOf, maxBig, minBig, pageOf, U64_MAX } from "../base/u64.ts";
import { MappingRun } from "./mapping-run.ts";

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
  /** Receives the pages that lie inside of the range. The run is reused afterwards. */
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
  readonly flags: number;
  readonly start: bigint;
  readonly last: bigint;
  readonly index: number;
  /** Pages that were not delivered because the edge of the range cuts them. */
  hazards = 0;
  readonly #cropReplay: boolean;
  readonly #notify: (run: MappingRun) => void;
  readonly #notifyCut: NotifierOptions["notifyCut"];
  // The range in pages of the shift it was computed for: wholly inside, and touched.
  #shift = -1;
  #insideFirst = 0;
  #insideEnd = 0;
  #touchedFirst = 0;
  #touchedEnd = 0;
  readonly #part = new MappingRun();

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
    this.#cropReplay = options.cropReplay ?? false;
    this.#notify = options.notify;
    this.#notifyCut = options.notifyCut;
  }

  /** Delivers a run of a replay: all of it, unless the notifier wants replays cropped. */
  replayed(run: MappingRun): void {
    if (this.#cropReplay) this.deliver(run);
    else this.#notify(run);
  }

  /** Delivers what of a run this notifier asked for. */
  deliver(run: MappingRun): void {
    if (run.page.shift !== this.#shift) this.#computePages(run.page.shift);
    const end = run.firstPage + run.pages;
    if (run.firstPage >= this.#insideFirst && end <= this.#insideEnd) {
      if (this.#wants(run)) this.#notify(run);
    } else if (run.firstPage < this.#touchedEnd && end > this.#touchedFirst) {
      this.#deliverParts(run, end);
    }
  }

  #wants(run: MappingRun): boolean {
    return (this.flags & (run.perm === 0 ? NotifierFlag.UNMAP : NotifierFlag.MAP)) !== 0;
  }

  #deliverParts(run: MappingRun, end: number): void {
    if (run.firstPage < this.#insideFirst && this.#touchedFirst < this.#insideFirst) {
      this.#deliverCut(run, this.#touchedFirst);
    }
    const first = Math.max(run.firstPage, this.#insideFirst);
    const last = Math.min(end, this.#insideEnd);
    if (first < last && this.#wants(run))
      this.#notify(run.slice(first - run.firstPage, last - first, this.#part));
    const cut = this.#touchedEnd - 1;
    // A range inside one page is cut on both sides by the same page: delivered above already.
    if (end > cut && cut >= this.#insideEnd && cut >= run.firstPage && this.#insideEnd >= this.#insideFirst) {
      this.#deliverCut(run, cut);
    }
  }

  #deliverCut(run: MappingRun, number: number): void {
    if (this.#notifyCut === undefined) {
      this.hazards++;
      return;
    }
    if (!this.#wants(run)) return;
    const page = run.slice(number - run.firstPage, 1, this.#part);
    this.#notifyCut(
      maxBig(page.iova, this.start),
      minBig(page.iova + page.sizeBytes - 1n, this.last),
      page.target,
      page.perm,
    );
  }

  #computePages(shift: number): void {
    const size = 1n << BigInt(shift);
    const end = this.last + 1n;
    const pages = (address: bigint): number => pageOf(hiOf(address), loOf(address), shift);
    this.#touchedFirst = pages(this.start);
    this.#insideFirst = this.start % size === 0n ? this.#touchedFirst : this.#touchedFirst + 1;
    // `end` may be 2^64, which has no halves: the page behind the last byte is one more than its page.
    this.#touchedEnd = pages(this.last) + 1;
    this.#insideEnd = end % size === 0n ? this.#touchedEnd : this.#touchedEnd - 1;
    this.#shift = shift;
  }
}
