import { pageStep } from "../base/page-step.ts";
import { hiOf, log2, loOf } from "../base/u64.ts";
import { IommuTranslation, type ReplayReport } from "./iommu-hooks.ts";
import type { IommuNotifier } from "./iommu-notifier.ts";
import type { IommuRegion } from "./iommu-region.ts";
import { MappingRun } from "./mapping-run.ts";

/**
 * The generic replay: translates every page of the region, from 0, and tells
 * the notifier of each that is mapped. Like QEMU it consults neither the
 * range nor the flags of the notifier, and it is the only loop over the size
 * of a window: `steps` says how many pages it walked (QEMU-REPLAY-1).
 *
 * @param maxSteps where to stop, for measurements
 */
export function replayByPages(region: IommuRegion, notifier: IommuNotifier, maxSteps: number): ReplayReport {
  const { size, minPageSize, generation } = region;
  const page = pageStep(log2(minPageSize));
  const entry = new IommuTranslation();
  const run = new MappingRun();
  const wasRegistered = region.isRegistered(notifier);
  // QEMU reports the size of a region of 2^64 bytes as 2^64 - 1.
  const lastOffset = size === 0n ? -1n : size - 1n;
  const lastHi = hiOf(lastOffset);
  const lastLo = loOf(lastOffset);
  let steps = 0;
  let notifications = 0;
  let hi = 0;
  let lo = 0;
  const report = (complete: boolean): ReplayReport => ({
    strategy: "page-walk",
    steps,
    notifications,
    complete,
  });
  while (lastOffset >= 0n && (hi < lastHi || (hi === lastHi && lo <= lastLo))) {
    if (steps === maxSteps) return report(false);
    steps++;
    region.hooks.translate(hi, lo, entry);
    if (entry.perm !== 0) {
      notifications++;
      run.set(page, steps - 1, 1, entry.targetHi, entry.targetLo, entry.perm);
      notifier.tellReplayed(run, steps - 1, steps);
      // The callback may have taken the notifier away, or made another region of this one.
      if (wasRegistered && !region.isRegistered(notifier)) return report(false);
      if (region.size !== size || region.minPageSize !== minPageSize || region.generation !== generation) {
        return report(false);
      }
    }
    const nextLo = page.addLo(lo, 1);
    const nextHi = page.addHi(hi, lo, 1);
    // The guard against wrapping around: the next page must lie above this one.
    if (nextHi < hi || (nextHi === hi && nextLo <= lo)) break;
    hi = nextHi;
    lo = nextLo;
  }
  return report(true);
}
