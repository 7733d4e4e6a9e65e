/**
 * Storing entries of a DMA window and telling notifiers.
 *
 * Entries are stored run by run, and each run is told when it is stored. A
 * callback may make any call; what it changes comes behind the run that is
 * being told, and before the next one. If it takes the window away, or makes
 * it another one, the call ends there.
 *
 * @module
 */

import type { FirstError } from "../base/first-error.ts";
import type { PageStep } from "../base/page-step.ts";
import type { IommuRegion } from "../memory/iommu-region.ts";
import { permOf } from "../tce/tce.ts";
import type { DmaWindow } from "./dma-window.ts";

/**
 * Stores an entry and tells notifiers: one MAP or UNMAP, also for a value that was there before.
 *
 * @param index inside of the window
 * @throws what a notifier throws, when the entry is stored and all have been told
 */
export function putEntry(window: DmaWindow, index: number, hi: number, lo: number): void {
  window.table!.put(index, hi, lo);
  const { iommu } = window;
  if (iommu.isHeard) iommu.notify(window.geometry.page, index, 1, hi, lo);
}

/**
 * Stores one value in up to `count` entries from `index`, which is inside of
 * the window, and tells notifiers.
 *
 * @param errors gets what notifiers throw
 * @returns how many were stored before the end of the window was passed
 */
export function fillEntries(
  window: DmaWindow,
  index: number,
  count: number,
  hi: number,
  lo: number,
  errors: FirstError,
): number {
  const { geometry, table, iommu } = window;
  let stored = 0;
  let first = index;
  for (;;) {
    const pages = geometry.piece(first, count - stored);
    if (pages === 0) return stored;
    table!.fill(first, pages, hi, lo);
    stored += pages;
    if (iommu.isHeard) {
      try {
        notifyRun(iommu, geometry.page, first, pages, hi, lo, 0);
      } catch (error) {
        errors.keep(error);
      }
      if (window.geometry !== geometry || window.table !== table) return stored;
    }
    first = geometry.wrapped(first + pages);
  }
}

/**
 * Stores a list of entries (high and low half of each) like {@link fillEntries}.
 *
 * When a callback changed the window, the rest of the list is stored again, as
 * the table may have stored some of it before.
 */
export function putEntries(
  window: DmaWindow,
  index: number,
  words: Uint32Array,
  count: number,
  errors: FirstError,
): number {
  const { geometry, table, iommu } = window;
  let stored = 0;
  let first = index;
  for (;;) {
    const pages = geometry.piece(first, count - stored);
    if (pages === 0) return stored;
    let done = table!.putStretch(first, words, stored, stored + pages);
    if (iommu.isHeard) {
      if (table!.isRun) {
        const at = stored * 2;
        try {
          notifyRun(iommu, geometry.page, first, done, words[at]!, words[at + 1]!, table!.step);
        } catch (error) {
          errors.keep(error);
        }
      } else {
        done = iommu.notifyList(
          geometry.page,
          first,
          words.subarray(stored * 2, (stored + done) * 2),
          errors,
        );
      }
    }
    stored += done;
    if (window.geometry !== geometry || window.table !== table) return stored;
    first = geometry.wrapped(first + done);
  }
}

/** Tells notifiers of a stored run: in one piece where they know such runs, else page by page. */
function notifyRun(
  iommu: IommuRegion,
  page: PageStep,
  first: number,
  pages: number,
  hi: number,
  lo: number,
  step: number,
): void {
  // Mapped pages follow each other, unmapped ones share their target.
  if (pages === 1 || step === (permOf(lo) === 0 ? 0 : 1)) iommu.notify(page, first, pages, hi, lo);
  else iommu.notifyEach(page, first, pages, hi, lo, step);
}
