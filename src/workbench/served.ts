/**
 * What the page is told by a server of ours (`spapr-iommu ui`). A page of a static host has none, and asks for nothing.
 *
 * @module
 */

import type { FindingKind, Severity } from "../check/findings/kinds.ts";

/** The attribute of the page's root element that says where {@link Served} is, relative to the page. */
export const SERVED_ATTRIBUTE = "data-served";

/** Bytes that a server has; any part of them can be asked for. */
export interface RemoteBytes {
  /** Relative to the page, or absolute. */
  readonly url: string;
  readonly size: number;
}

/** What a server has. */
export interface Served {
  /** Files that the page opens at once. */
  readonly files: readonly (RemoteBytes & { readonly name: string })[];
  /** A running QEMU, if one is followed: where {@link LiveMessage}s come from, and the log that it writes. */
  readonly live?: { readonly events: string; readonly log: string };
}

/** A DMA window now. */
export interface LiveWindowNow {
  readonly liobn: string;
  readonly busOffset: string;
  readonly pageShift: number;
  readonly entries: number;
  readonly mapped: number;
  readonly certainty: { readonly inferred: number; readonly unknown: number };
  readonly assumed: boolean;
}

/** What goes on in a window, since the beginning and by the second. */
export interface LiveTraffic {
  readonly liobn: string;
  readonly pagesMapped: number;
  readonly pagesUnmapped: number;
  readonly translations: number;
  readonly mappedPerSecond: number;
  readonly unmappedPerSecond: number;
  readonly translatedPerSecond: number;
}

/** Mappings of one kind that are alive. */
export interface LivePattern {
  readonly liobn: string;
  readonly pages: number;
  /** 1 read, 2 write. */
  readonly perm: number;
  readonly count: number;
  readonly bytes: number;
  readonly oldest: { readonly ioba: string; readonly event: number; readonly seconds: number };
}

/** Something wrong that was found. */
export interface LiveFindingNow {
  readonly kind: FindingKind;
  readonly severity: Severity;
  readonly liobn: string | null;
  readonly ioba: string | null;
  readonly count: number;
  readonly line: number | null;
  readonly message: string;
}

/** All that is known at one moment. */
export interface LiveNow {
  readonly seconds: number;
  readonly lag: { readonly bytes: number; readonly seconds: number };
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly damagedLines: number;
  readonly windows: readonly LiveWindowNow[];
  readonly traffic: readonly LiveTraffic[];
  readonly alive: {
    readonly patterns: readonly LivePattern[];
    readonly more: number;
    readonly earlierPages: number;
  } | null;
  readonly findings: {
    readonly errors: number;
    readonly warnings: number;
    readonly dropped: number;
    readonly last: readonly LiveFindingNow[];
  };
  readonly counts: { readonly mismatches: number };
  readonly doubts: readonly string[];
}

/** One thing that a session tells; each `state` replaces those before it. */
export type LiveItem =
  | {
      readonly type: "attached";
      readonly qemu: string;
      readonly log: string;
      readonly base: { readonly kind: string; readonly refused: readonly string[] };
    }
  | ({ readonly type: "state" } & LiveNow)
  | { readonly type: "doubt"; readonly doubt: string }
  | ({ readonly type: "end"; readonly reason: string; readonly message: string } & LiveNow);

/** A message to a page that follows a session. */
export interface LiveMessage {
  readonly item: LiveItem;
  /** States so far that this page was not told, as it did not take them in time. */
  readonly dropped: number;
}
