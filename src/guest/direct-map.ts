import { MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import type { GuestCalls } from "./guest-calls.ts";
import type { GuestWindow } from "./guest-window.ts";

/** Read and write, which is what Linux gives to all of its memory. */
const READ_WRITE = 3;

/**
 * Bytes of the guest's memory; both below 2^53.
 *
 * @public
 */
export interface MemoryRange {
  readonly start: number;
  readonly size: number;
}

/** How a direct map went. */
export interface DirectMap {
  /** Of the last call. */
  readonly status: number;
  readonly calls: number;
  readonly pages: number;
}

/**
 * Maps memory into a window at its own address plus the window's start. The start is rounded down to a page of the
 * window, and so is the end: memory after the last whole page stays unmapped, and a range without one makes a call for
 * a list of 0 (LINUX-DIRECT-1).
 *
 * @param lists the hypervisor takes lists; otherwise each entry is put by itself, and what it answers is not looked at
 * @param after called after each hypercall
 */
export function mapMemory(
  calls: GuestCalls,
  window: GuestWindow,
  { start, size }: MemoryRange,
  lists = true,
  after?: () => void,
): DirectMap {
  const { pageSize } = window;
  const first = Math.floor(start / pageSize);
  const pages = Math.floor((start + size) / pageSize) - first;
  const most = lists ? MAX_LIST_ENTRIES : 1;
  let made = 0;
  let done = 0;
  let status = 0;
  do {
    const count = Math.min(most, pages - done);
    const page = first + done;
    const tce = page * pageSize + READ_WRITE;
    if (lists) {
      status = calls.putList(window, page, tce, count);
      if (status === 0) done += count;
    } else if (count > 0) {
      calls.put(window, page, tce);
      done++;
    }
    made++;
    after?.();
  } while (status === 0 && done < pages);
  return { status, calls: made, pages: done };
}

/**
 * Clears pages of a window with H_STUFF_TCE, 512 a call, up to the first call that is refused.
 *
 * @returns the status of the last call
 */
export function clearPages(calls: GuestCalls, window: GuestWindow, first: number, pages: number): number {
  for (let done = 0; done < pages; done += MAX_LIST_ENTRIES) {
    const status = calls.clear(window, first + done, Math.min(MAX_LIST_ENTRIES, pages - done));
    if (status !== 0) return status;
  }
  return 0;
}
