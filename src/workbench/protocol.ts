/**
 * What the page and its worker say to each other.
 *
 * The page asks with a number, and gets one answer of that number, or none if it was superseded or cancelled. What was
 * read so far comes without being asked for. Arrays of numbers change hands (they are transferred); bus addresses are
 * numbers of pages, counted from the start of their space, so that 64 bits lose nothing.
 *
 * @module
 */

import type { Finding } from "../check/findings/finding.ts";
import type { RemoteBytes } from "./served.ts";

/** What events are shown as. */
export const EVENT_CLASSES = ["map", "unmap", "use", "fault", "refused", "moment", "other"] as const;

/** One of {@link EVENT_CLASSES}. */
export type EventClass = (typeof EVENT_CLASSES)[number];

/** Bus addresses that belong together: a DMA window, or what a device uses. */
export interface Space {
  readonly number: number;
  /** `0x80000000`, or `0000:00:03.0`. */
  readonly name: string;
  readonly kind: "window" | "device" | "table";
  /** The lane that its events are in. */
  readonly lane: number;
  /** Bus address of page 0. */
  readonly start: bigint;
  readonly pageShift: number;
  /** Pages that it can have. */
  readonly pages: number;
  /** It is there after the event `from`, and no longer after `until` (Infinity: to the end). */
  readonly from: number;
  readonly until: number;
  /** What nobody told of its geometry: `start`, `page`, `size`. */
  readonly assumed: readonly string[];
}

/** A space at a moment, as the tree shows it. */
export interface SpaceAt extends Space {
  /** Pages that are mapped, and that may be. */
  readonly mapped: number;
  readonly inferred: number;
  readonly unknown: number;
}

/** A finding, and where its events stand. */
export interface ShownFinding extends Omit<Finding, "pci" | "events"> {
  /** Numbers of its events, as the page counts them. */
  readonly events: readonly number[];
  /** Place in the list as `check` prints it. */
  readonly number: number;
  readonly text: string;
}

/** Consecutive pages to consecutive memory, as `map` prints them. */
export interface Row {
  readonly first: number;
  readonly pages: number;
  readonly address: bigint;
  /** Bytes, where they are no whole pages. */
  readonly bytes: bigint;
  readonly target: bigint | undefined;
  readonly sameTarget: boolean;
  readonly access: string;
  readonly certainty: "known" | "inferred" | "unknown";
  readonly inferredPages: number;
  /** The first and the last event that mapped any of it; -1: before the recording, or nobody knows. */
  readonly since: readonly [first: number, last: number];
}

/** Some rows, and the pages behind the last of them that are mapped or unknown. */
export interface RowsAnswer {
  readonly rows: readonly Row[];
  readonly more: number;
}

/** An input as far as it was read. */
export interface Summary {
  readonly name: string;
  readonly format: string;
  readonly events: number;
  /** Lines or records, of an input that has lines. */
  readonly hasLines: boolean;
  /** Seconds from the first event to the last; NaN without times. */
  readonly seconds: number;
  readonly lanes: readonly string[];
  readonly spaces: readonly Space[];
  /** What it does not tell, as sentences. */
  readonly notes: readonly string[];
  /** False if there is nothing in it that could be found wrong. */
  readonly isJudged: boolean;
}

/** How far the reading got. */
export interface Progress {
  readonly bytes: number;
  readonly size: number;
  readonly bytesPerSecond: number;
}

/** Where in time: numbers of events, or seconds since the first one. */
export type Axis = "event" | "time";

/** What each column of a picture has of each lane. */
export interface Lanes {
  readonly axis: Axis;
  readonly from: number;
  readonly to: number;
  readonly columns: number;
  /** First event of each column, and of what is behind the last one. */
  readonly events: Float64Array;
  /** By lane, class of {@link EVENT_CLASSES}, column. */
  readonly counts: Uint32Array;
  /** By lane, column: pages that were mapped at its end. */
  readonly mapped: Float64Array;
}

/** A moment of a file: after one of its events. */
export interface Instant {
  readonly file: number;
  readonly event: number;
}

/** Where a heat map stands: the row with a page is that many rows from the top, and a cell has 2^shift pages. */
export interface HeatView {
  readonly first: number;
  readonly shift: number;
  /** Rows above it; 0 if absent. */
  readonly row?: number | undefined;
}

/**
 * Rows of a heat map: each stands for 64 cells, but a folded one for many such rows in which nothing was ever mapped. Their
 * places go on where the row before ends.
 */
export interface HeatRows {
  /** Log2 of the pages of a cell. */
  readonly shift: number;
  /** First page of each row. */
  readonly starts: Float64Array;
  /** How many rows each stands for: 1, or those that are folded. */
  readonly folds: Float64Array;
}

/** What each cell of a heat map has; of a folded row all is in the first one. */
export interface Cells extends HeatRows {
  readonly space: number;
  readonly mapped: Float64Array;
  readonly unknown: Float64Array;
  readonly inferred: Float64Array;
  /** Permissions that occur, a bit each: read, write, read and write. */
  readonly access: Uint8Array;
  /** Newest event of any of its pages, -1 where nobody knows; of a window only if its age was asked for. */
  readonly since: Float64Array;
  /** Pages of the largest mapping in it, if that was asked for. */
  readonly sizes: Float64Array;
  /** Who mapped it, if that was asked for: a place in the names, counted from 1; 255: several. */
  readonly owners: Uint8Array;
  readonly ownerNames: readonly string[];
  /** Pages that are otherwise than at the instant before: mapped since, unmapped since. Empty without one. */
  readonly came: Float64Array;
  readonly went: Float64Array;
}

/** Lines to draw: one for each mapping, or for some that fall on one place. */
export interface LifeLines {
  /** Where on the axis it begins and ends: NaN before the recording, Infinity for what is still mapped. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly firsts: Float64Array;
  readonly pages: Float64Array;
  /** How many mappings a line stands for. */
  readonly counts: Uint32Array;
  readonly count: number;
  /** All mappings in the picture. */
  readonly all: number;
}

/** A line of the file, or an event of one without lines. */
export interface FileLine {
  /** Line from 1, or byte offset. */
  readonly line: number;
  /** The event that it is, -1 for other text. */
  readonly event: number;
  readonly text: string;
}

/** What a stretch of time and addresses has. */
export interface Totals {
  readonly counts: Uint32Array;
  /** Pages that were mapped at most. */
  readonly peak: number;
  /** Mappings that ended in it, and how long they lived: median and longest, in events. */
  readonly ended: number;
  readonly medianLife: number;
  readonly longestLife: number;
}

/** One change between two instants. */
export interface ChangeRow {
  readonly what: "created" | "removed" | "not-compared" | "mapped" | "unmapped" | "changed";
  readonly space: string;
  readonly address: bigint;
  readonly pages: number;
  readonly before: string;
  readonly after: string;
}

/** Something that was looked for. */
export interface Hit {
  readonly what: "window or device" | "bus address" | "memory" | "event";
  /** What it is, in words of the file. */
  readonly text: string;
  readonly event: number;
  /** Where in the addresses of a space it is. */
  readonly place: { readonly space: number; readonly first: number; readonly pages: number } | undefined;
}

/** How a trace and a saved machine agree. */
export interface Agreement {
  /** The event after which they were compared; undefined for the end of the trace. */
  readonly event: number;
  readonly same: number;
  readonly different: number;
  readonly findings: readonly string[];
}

/** What the page asks; each with its answer. */
export interface Calls {
  open: { ask: { name: string; data: Blob | RemoteBytes }; answer: Summary };
  /** Checks again with only the events that a filter takes; "" takes all. */
  filter: { ask: { text: string }; answer: null };
  /** Stops reading; what was read stays. */
  stop: { ask: object; answer: null };
  close: { ask: object; answer: null };
  eventAt: { ask: { seconds: number }; answer: number };
  secondsOf: { ask: { event: number }; answer: { seconds: number; line: number } };
  lanes: { ask: { axis: Axis; from: number; to: number; columns: number }; answer: Lanes };
  spaces: { ask: { event: number }; answer: SpaceAt[] };
  cells: {
    ask: {
      event: number;
      space: number;
      /** Undefined: all of the space, at the finest level that has room. */
      view: HeatView | undefined;
      /** Rows that there is room for. */
      rows: number;
      /** Stretches that are not folded. */
      open: readonly { first: number; end: number }[];
      detail?: "size" | "owner" | "age" | undefined;
      before?: Instant | undefined;
    };
    answer: Cells;
  };
  minimap: { ask: { event: number; space: number; parts: number }; answer: { mapped: Float64Array } };
  rows: {
    ask: { event: number; space: number; first: number; end: number; limit: number };
    answer: RowsAnswer;
  };
  lives: {
    ask: {
      space: number;
      axis: Axis;
      from: number;
      to: number;
      /** The rows that the heat map shows. */
      rows: HeatRows;
      columns: number;
      height: number;
    };
    answer: LifeLines;
  };
  lines: { ask: { event: number; before: number; after: number }; answer: FileLine[] };
  totals: {
    ask: { space: number; from: number; to: number; first: number; end: number };
    answer: Totals;
  };
  diff: {
    ask: { event: number; before: Instant; limit: number };
    answer: { rows: ChangeRow[]; all: number };
  };
  /** Compares a trace with a saved machine of the same run, which is another file. */
  against: { ask: { saved: number }; answer: Agreement };
  search: { ask: { text: string; event: number; limit: number }; answer: Hit[] };
  /** The findings, as `check --output json` prints them. */
  report: { ask: object; answer: string };
  /** What is mapped in a stretch of pages, as CSV. */
  csv: { ask: { event: number; space: number; first: number; end: number }; answer: string };
  /** An op script that leads to what a window has in a stretch of pages after an event. */
  script: { ask: { event: number; space: number; first: number; end: number }; answer: string };
  /** The whole as a timeline for Perfetto. */
  timeline: { ask: object; answer: { bytes: Uint8Array } };
  /** Several of these at once: what moves together comes together, each in the place of its ask. */
  moment: { ask: { asks: readonly MomentAsk[] }; answer: MomentAnswer[] };
  who: { ask: { event: number; target: bigint }; answer: { space: number; row: Row }[] };
}

export type CallName = keyof Calls;

/** What follows the playhead. */
export type MomentCall = "spaces" | "cells" | "rows" | "minimap" | "secondsOf";

/** A part of an ask for a moment. */
export type MomentAsk = {
  [Name in MomentCall]: { readonly call: Name } & Calls[Name]["ask"];
}[MomentCall];

/** What a part was answered, or why it was not. */
export type MomentAnswer = { readonly value: unknown } | { readonly message: string };

/** From the page. `file` is the page's number of an input. */
export type Request = {
  [Name in CallName]: {
    readonly call: Name;
    readonly id: number;
    readonly file: number;
  } & Calls[Name]["ask"];
}[CallName];

/** To the page. */
export type Message =
  | { readonly what: "answer"; readonly id: number; readonly value: unknown }
  | { readonly what: "failed"; readonly id: number; readonly message: string }
  | {
      readonly what: "read";
      readonly file: number;
      readonly progress: Progress;
      readonly summary: Summary;
      readonly isDone: boolean;
    }
  | {
      readonly what: "findings";
      readonly file: number;
      /** From this place in the list on. */
      readonly from: number;
      readonly findings: readonly ShownFinding[];
      readonly left: number;
      readonly notJudged: readonly string[];
    };
