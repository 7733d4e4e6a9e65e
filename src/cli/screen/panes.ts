import { type Permission, permText } from "../../base/permission.ts";
import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import type { AlivePattern } from "../../live/alive-patterns.ts";
import type { LiveFinding } from "../../live/live-findings.ts";
import type { LiveSnapshot, LiveWindow } from "../../live/live-state.ts";
import type { WindowTraffic } from "../../live/traffic.ts";

/** What a row is sorted by. */
type SortValue = number | string;

/** A column of a pane. */
export interface PaneColumn<Row> {
  readonly head: string;
  readonly align?: "left" | "right";
  /** Places that it has at least, so that what follows stands still while numbers change. */
  readonly least?: number;
  /** Where the screen is narrow, columns of the highest rank are left out first; 0: never. */
  readonly rank: number;
  /** It takes what is left of the line, and is cut there. */
  readonly isCut?: boolean;
  readonly cell: (row: Row) => string;
  readonly sort: (row: Row) => SortValue;
}

/** A row as the screen has it: what it is does not matter any more. */
export interface PaneRow {
  /** By column. */
  readonly cells: readonly string[];
  readonly sort: readonly SortValue[];
  readonly mark: "red" | "yellow" | undefined;
}

/** A table of the screen. */
export interface Pane {
  readonly columns: readonly Omit<PaneColumn<never>, "cell" | "sort">[];
  readonly rows: (snapshot: LiveSnapshot) => readonly PaneRow[];
  /** Said in place of rows if there are none. */
  readonly none: string;
}

/** Panes from the top to the bottom. */
export const PANE_NAMES = ["windows", "alive", "findings"] as const;

export type PaneName = (typeof PANE_NAMES)[number];

function pane<Row>(
  columns: readonly PaneColumn<Row>[],
  rowsOf: (snapshot: LiveSnapshot) => readonly Row[],
  none: string,
  markOf: (row: Row) => PaneRow["mark"] = () => undefined,
): Pane {
  const rows = (snapshot: LiveSnapshot): PaneRow[] =>
    rowsOf(snapshot).map((row) => ({
      cells: columns.map(({ cell }) => cell(row)),
      sort: columns.map(({ sort }) => sort(row)),
      mark: markOf(row),
    }));
  return { columns, rows, none };
}

/** A column of numbers. */
const count = <Row>(
  head: string,
  rank: number,
  number: (row: Row) => number,
  format: (value: number) => string = formatCount,
): PaneColumn<Row> => ({
  head,
  rank,
  align: "right",
  least: 8,
  cell: (row) => format(number(row)),
  sort: number,
});

/** A column of texts. Addresses of one length are sorted as numbers are. */
const text = <Row>(head: string, rank: number, cell: (row: Row) => string): PaneColumn<Row> => ({
  head,
  rank,
  cell,
  sort: cell,
});

interface WindowRow extends LiveWindow {
  readonly traffic: WindowTraffic | undefined;
}

/** `12.5 %` */
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;

const WINDOWS = pane<WindowRow>(
  [
    {
      // What it maps is not all that its device sees: that is never left out.
      ...text("window", 0, ({ liobn, bypass }) => `${liobn}${bypass ? " bypassed" : ""}`),
      sort: ({ liobn }) => Number(liobn),
    },
    text("starts at", 5, ({ busOffset, assumed }) => `${busOffset}${assumed ? " ?" : ""}`),
    {
      ...count("page", 6, ({ pageShift }) => 2 ** pageShift, formatSize),
      least: 6,
    },
    count("entries", 4, ({ entries }) => entries),
    count("mapped", 1, ({ mapped }) => mapped),
    count("used", 0, ({ mapped, entries }) => (entries === 0 ? 0 : mapped / entries), percent),
    count("maps/s", 0, ({ traffic }) => traffic?.mappedPerSecond ?? 0),
    count("unmaps/s", 2, ({ traffic }) => traffic?.unmappedPerSecond ?? 0),
    count("DMAs/s", 3, ({ traffic }) => traffic?.translatedPerSecond ?? 0),
    count("unknown", 7, ({ certainty }) => certainty.unknown),
    count("inferred", 8, ({ certainty }) => certainty.inferred),
  ],
  ({ windows, traffic }) => {
    const byLiobn = new Map(traffic.map((one) => [one.liobn, one]));
    return windows.map((window) => ({ ...window, traffic: byLiobn.get(window.liobn) }));
  },
  "no window is known yet",
);

const ALIVE = pane<AlivePattern>(
  [
    { ...text("alive in", 0, ({ liobn }) => liobn), sort: ({ liobn }) => Number(liobn) },
    { ...count("pages", 0, ({ pages }) => pages), least: 6 },
    text("access", 5, ({ perm }) => permText(perm as Permission)),
    count("count", 0, (row) => row.count),
    count("bytes", 1, ({ bytes }) => bytes, formatSize),
    count("oldest", 2, ({ oldest }) => oldest.seconds, formatTime),
    text("at", 3, ({ oldest }) => oldest.ioba),
    count("event", 4, ({ oldest }) => oldest.event),
  ],
  ({ alive }) => alive?.patterns ?? [],
  "nothing was seen to be mapped that is not unmapped",
);

/** A finding, or what is not known. */
type FindingRow = Pick<LiveFinding, "kind" | "severity" | "liobn" | "ioba" | "count" | "line" | "message">;

/** What is not known stands among the findings, so that it cannot be overlooked. */
const doubtRow = (message: string) =>
  ({ kind: "not known", severity: "error", liobn: null, ioba: null, count: 1, line: null, message }) as const;

type ShownFinding = FindingRow | ReturnType<typeof doubtRow>;

const FINDINGS = pane<ShownFinding>(
  [
    text("finding", 0, ({ kind }) => kind),
    { ...text("window", 3, ({ liobn }) => liobn ?? ""), sort: ({ liobn }) => Number(liobn ?? 0) },
    text("address", 2, ({ ioba }) => ioba ?? ""),
    { ...count("times", 1, (row) => row.count), least: 5 },
    {
      ...count(
        "line",
        4,
        ({ line }) => line ?? 0,
        (line) => (line === 0 ? "" : formatCount(line)),
      ),
      least: 6,
    },
    { ...text("what", 0, ({ message }) => message), isCut: true },
  ],
  // The newest first.
  ({ doubts, findings }) => [...doubts.map(doubtRow), ...findings.last.toReversed()],
  "nothing was found so far",
  ({ severity }) => (severity === "error" ? "red" : "yellow"),
);

export const PANES: Readonly<Record<PaneName, Pane>> = {
  windows: WINDOWS,
  alive: ALIVE,
  findings: FINDINGS,
};
