import { pageStep } from "../base/page-step.ts";
import { hiOf, log2, loOf } from "../base/u64.ts";
import type { IommuHooks, ReplayReport } from "./iommu-hooks.ts";
import type { IommuNotifier } from "./iommu-notifier.ts";
import { IommuTranslation } from "./iommu-translation.ts";
import { MappingRun } from "./mapping-run.ts";

/** What a walk needs of the region: all but the hooks may change under it. */
export interface WalkedRegion {
  readonly hooks: IommuHooks;
  /** Bytes, 0 to 2^64. */
  readonly size: bigint;
  /** Bytes of the pages that it goes by. */
  readonly minPageSize: bigint;
  /** Counts up when other mappings begin. */
  readonly generation: number;
  isRegistered(notifier: IommuNotifier): boolean;
}

/**
 * The generic replay: translates every page of the region, from 0, and tells
 * the notifier of each that is mapped. Like QEMU it consults neither the
 * range nor the flags of the notifier, and it is the only loop over the size
 * of a window: `steps` says how many pages it walked (QEMU-REPLAY-1). It can be
 * walked piece by piece.
 */
export class PageWalk {
  readonly #region: WalkedRegion;
  readonly #notifier: IommuNotifier;
  readonly #size: bigint;
  readonly #minPageSize: bigint;
  readonly #generation: number;
  readonly #wasRegistered: boolean;
  #steps = 0;
  #notifications = 0;
  /** The next page. */
  #hi = 0;
  #lo = 0;

  constructor(region: WalkedRegion, notifier: IommuNotifier) {
    this.#region = region;
    this.#notifier = notifier;
    this.#size = region.size;
    this.#minPageSize = region.minPageSize;
    this.#generation = region.generation;
    this.#wasRegistered = region.isRegistered(notifier);
  }

  /**
   * Walks on.
   *
   * @param maxSteps pages at most
   * @returns what was walked since the beginning
   */
  advance(maxSteps: number): ReplayReport {
    const notifier = this.#notifier;
    const { hooks } = this.#region;
    const page = pageStep(log2(this.#minPageSize));
    const entry = new IommuTranslation();
    const run = new MappingRun();
    const size = this.#size;
    // QEMU reports the size of a region of 2^64 bytes as 2^64 - 1.
    const lastOffset = size === 0n ? -1n : size - 1n;
    const lastHi = hiOf(lastOffset);
    const lastLo = loOf(lastOffset);
    const end = this.#steps + maxSteps;
    let steps = this.#steps;
    let hi = this.#hi;
    let lo = this.#lo;
    let isComplete = !this.#hasChanged();
    while (isComplete && lastOffset >= 0n && (hi < lastHi || (hi === lastHi && lo <= lastLo))) {
      if (steps === end) {
        isComplete = false;
        break;
      }
      steps++;
      hooks.translate(hi, lo, entry);
      if (entry.perm !== 0) {
        this.#notifications++;
        run.set(page, steps - 1, 1, entry.targetHi, entry.targetLo, entry.perm);
        notifier.tellReplayed(run, steps - 1, steps);
        // The callback may have taken the notifier away, or made another region of this one.
        if (this.#hasChanged()) {
          isComplete = false;
          break;
        }
      }
      const nextLo = page.addLo(lo, 1);
      const nextHi = page.addHi(hi, lo, 1);
      // The guard against wrapping around: the next page must lie above this one.
      if (nextHi < hi || (nextHi === hi && nextLo <= lo)) break;
      hi = nextHi;
      lo = nextLo;
    }
    this.#steps = steps;
    this.#hi = hi;
    this.#lo = lo;
    return { strategy: "page-walk", steps, notifications: this.#notifications, complete: isComplete };
  }

  #hasChanged(): boolean {
    const region = this.#region;
    if (this.#wasRegistered && !region.isRegistered(this.#notifier)) return true;
    return (
      region.size !== this.#size ||
      region.minPageSize !== this.#minPageSize ||
      region.generation !== this.#generation
    );
  }
}
