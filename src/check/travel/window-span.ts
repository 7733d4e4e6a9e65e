import type { TceView } from "../../tce/tce-view.ts";
import type { WindowState } from "../state/window-state.ts";

/** A window as long as it lies in one place. */
export interface WindowSpan {
  readonly number: number;
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly entries: number;
  /** What of this nobody told: `start`, `page`, `size`. */
  readonly assumed: readonly string[];
  /** It is there after this event, */
  readonly from: number;
  /** and no longer after this one; Infinity while it is there. */
  until: number;
}

/** A window at a moment, with the event that mapped each entry. */
export interface TravelledWindow extends WindowState {
  readonly span: number;
  /** High half of an entry: the number of the event that changed it last, and 1; 0: before the recording, or not known. */
  readonly since: TceView;
}

/** What is said of a window besides its tables. */
export type Facts = Omit<WindowState, "table" | "certainties">;

/** A span, and what else was said of the window in it, from which event on. */
export interface DescribedSpan extends WindowSpan {
  readonly facts: { readonly event: number; readonly facts: Facts }[];
}

/** What is kept of a window at a moment. */
export interface Tables<Table extends TceView = TceView> {
  readonly table: Table;
  readonly certainties: Table;
  readonly since: Table;
}

/** All windows after an event. */
export interface Kept {
  readonly event: number;
  /** Rows of writes that are in it. */
  readonly rows: number;
  readonly tables: ReadonlyMap<number, Tables>;
}
