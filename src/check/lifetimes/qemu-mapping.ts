import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";

/** How the life of a mapping ended. */
export type Fate =
  /** A call stored an entry that maps nothing. */
  | "unmapped"
  /** A call stored another mapping. */
  | "replaced"
  /** Its window went: removed, reset, or with its bridge. */
  | "window-gone"
  /** The entries were found empty, and no line says why: VIO devices clear their table so. */
  | "cleared"
  /** It has not ended: it is alive at the end of the trace. */
  | "alive";

/** A window as the mappings in it see it. */
export interface LifetimeWindow {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly entries: number;
}

/** Where and when an event happened; what is kept of it. */
export interface EventStamp {
  /** Kind of the event. */
  readonly kind: number;
  readonly event: number;
  /** Line or byte offset. */
  readonly position: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly thread: number;
}

/** What one call mapped. */
export interface Mapping {
  /** Mappings before this one. */
  readonly number: number;
  readonly window: LifetimeWindow;
  /** Index of its first entry in the window. */
  readonly first: number;
  readonly pages: number;
  /** TCE of the first page; undefined when the trace does not say it. */
  readonly tce: bigint | undefined;
  readonly perm: number;
  /** Does every page map the same target, as `stuff` makes it? Otherwise consecutive ones. */
  readonly constant: boolean;
  /** A list prints only its last TCE; the others are concluded from that. */
  readonly inferred: boolean;
  readonly made: EventStamp;
  /** Pages that are still mapped. */
  left: number;
  /** The index of its first entry, as its window is known by now; {@link first} is as it was taken to be then. */
  at: number;
}

/** Notified of mappings as they begin and end. */
export interface LifetimeSink {
  begin(mapping: Mapping): void;
  /**
   * The pages `[first, first + pages)` of a mapping (counted from the
   * window's first entry) ended; `mapping.left` no longer counts them.
   *
   * @param stamp undefined for what is alive at the end of the trace
   */
  end(mapping: Mapping, first: number, pages: number, fate: Fate, stamp: EventStamp | undefined): void;
}

/** What is kept of an event. */
export const stampOf = (event: QemuTraceEvent): EventStamp => ({
  kind: event.kind,
  event: event.number,
  position: event.position,
  seconds: event.seconds,
  nanoseconds: event.nanoseconds,
  thread: event.thread,
});
