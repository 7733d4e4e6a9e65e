import type { PageStep } from "../../base/page-step.ts";
import type { TceView } from "../../tce/tce-view.ts";
import type { Place } from "../findings/place.ts";

/** A window as it is at one moment: what can be found in it without a history. */
export interface StaticWindow {
  readonly window: WindowShape;
  /** The geometry is a guess. */
  readonly assumed: boolean;
  /** Where the file has the window. */
  readonly createdAt: Place | undefined;
  /** Are all of these entries known? */
  isKnown(first: number, count: number): boolean;
}

/** Where a window lies, whose it is, and what it maps. */
export interface WindowShape {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly page: PageStep;
  readonly entries: number;
  /** Belongs to a PCI bridge, not to a VIO device. */
  readonly isPci: boolean;
  /** Bridge or device; the windows of one share their bus. */
  readonly owner: string;
  readonly table: TceView | null;
}
