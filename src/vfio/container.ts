import type { Errno } from "../base/errno.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { DmaRun } from "./dma-run.ts";

/**
 * What QEMU's listener needs of a container: a kernel's, or a vfio-user
 * device's. Addresses are bus addresses. A run belongs to the caller, who fills
 * it again for the next call.
 *
 * @public
 */
export interface DmaContainer {
  /** For messages. */
  readonly name: string;
  /** Bytes of a page of the host: sections are rounded to it. */
  readonly hostPageSize: bigint;
  /**
   * An IOMMU section appears: makes a window for it, where the host has windows.
   *
   * @returns why it cannot be served, in QEMU's words
   */
  addWindow?(section: FlatRange): string | undefined;
  /** The section went; its pages are unmapped already. */
  removeWindow?(section: FlatRange): string | undefined;
  /**
   * Maps pages, replacing nothing: a page that is mapped may be refused.
   *
   * @returns the error of the first page that was refused; pages after it may not have been tried
   */
  map(run: DmaRun): Errno | 0;
  /** Unmaps pages. Pages that are not mapped are fine. */
  unmap(run: DmaRun): Errno | 0;
  /** Unmaps those of the pages that are mapped: their entries were replaced by ones that cannot be. */
  unmapStale(run: DmaRun): Errno | 0;
}
