import type { Place } from "../findings/place.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";

/** Windows that went of which is kept what they were. */
const MAX_GONE = 10_000;

/**
 * What a trace shows of one window: as it was when it went, or as it is.
 *
 * @public
 */
export interface WindowRecord {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly entries: number;
  /** The end is not known, and neither is the start. */
  readonly assumed: boolean;
  /** Undefined if it was there before the trace. */
  readonly createdAt: Place | undefined;
  readonly removedAt: Place | undefined;
  /** Entries that map something, as far as is known. */
  readonly live: number;
  /** Of all entries, those concluded from the last one of a list. */
  readonly inferred: number;
  /** Entries that may hold anything. */
  readonly unknown: number;
}

/** Keeps what windows were. */
export class WindowRecords {
  /** In order of creation; those that are still there are filled in at the end. */
  readonly #slots: (WindowRecord | RebuiltWindow)[] = [];
  #gone = 0;

  created(rebuilt: RebuiltWindow): void {
    this.#slots.push(rebuilt);
  }

  removed(rebuilt: RebuiltWindow, place: Place): void {
    const slot = this.#slots.lastIndexOf(rebuilt);
    if (this.#gone++ < MAX_GONE) this.#slots[slot] = recordOf(rebuilt, place);
    else this.#slots.splice(slot, 1);
  }

  all(live: ReadonlySet<unknown>): WindowRecord[] {
    return this.#slots.map((slot) =>
      live.has(slot) ? recordOf(slot as RebuiltWindow, undefined) : (slot as WindowRecord),
    );
  }
}

/** A window as it is now. */
export function recordOf(rebuilt: RebuiltWindow, removedAt: Place | undefined): WindowRecord {
  const { window, assumed, createdAt } = rebuilt;
  const { inferred, unknown } = rebuilt.classes();
  const { liobn, busOffset, pageShift, entries } = window;
  const live = window.table?.validCount ?? 0;
  return { liobn, busOffset, pageShift, entries, assumed, createdAt, removedAt, live, inferred, unknown };
}
