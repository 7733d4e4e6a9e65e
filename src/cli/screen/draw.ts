import cliTruncate from "cli-truncate";
import { counted, formatCount, formatSize, formatTime } from "../../base/units.ts";
import type { Attached } from "../../live/attach-options.ts";
import type { LiveSnapshot } from "../../live/live-state.ts";
import { betweenMarks, colors } from "../colors.ts";
import { aligned, GAP, oneLine } from "../table.ts";
import { textWidth } from "../text-width.ts";
import { KEYS, type KeyState, type ScrollLimits } from "./keys.ts";
import { PANE_NAMES, PANES, type PaneName, type PaneRow } from "./panes.ts";

/** Lines below which only the pane with the keys is shown. */
const MIN_BODY = 9;
/** Lines that a pane has at least where there is not room for all: its head and two rows. */
const MIN_PANE = 3;
/** Places of a column that is cut, at least. */
const MIN_CUT = 30;

/** All that a screen shows. */
export interface ScreenState {
  readonly attached: Attached | undefined;
  /** What is shown: the last one, or the one that is held. */
  readonly snapshot: LiveSnapshot | undefined;
  /** Was it asked to end? */
  readonly isEnding: boolean;
  readonly keys: KeyState;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** A drawn screen. */
export interface Drawn {
  /** At most as many as the screen has rows, none of them wider than it. They have marks of {@link colors}. */
  readonly lines: readonly string[];
  readonly limits: ScrollLimits;
}

/** Draws a screen. What it takes follows what is shown, but for sorting. */
export function drawScreen(state: ScreenState, size: ScreenSize): Drawn {
  const { columns, rows } = size;
  const head = headLines(state, columns).slice(0, rows < 8 ? 1 : 2);
  const body = Math.max(0, rows - head.length - 1);
  const { lines, limits } = state.keys.isHelp ? helpLines(body) : paneLines(state, columns, body);
  const space = Array.from({ length: Math.max(0, body - lines.length) }, () => "");
  const all = [...head, ...lines, ...space, footLine(state.keys, columns, limits, lines.length)];
  return { lines: all.slice(-rows).map((line) => cut(line, columns)), limits };
}

/** The first places of a line. */
function cut(line: string, columns: number): string {
  let room = columns;
  return betweenMarks(line, (text) => {
    const kept = textWidth(text) <= room ? text : room > 0 ? cliTruncate(text, room) : "";
    room -= textWidth(kept);
    return kept;
  });
}

/** A screen with characters of ASCII only, for terminals that have no other. */
export const inAscii = (line: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: marks of colours stay
  line.replaceAll("…", "~").replaceAll(/[^\u0000-\u007f]/gu, "?");

function headLines({ attached, snapshot, isEnding, keys }: ScreenState, columns: number): string[] {
  const state = isEnding ? "ENDING" : attached === undefined ? "ATTACHING" : keys.isPaused ? "HELD" : "";
  const { lag, events, eventsPerSecond, seconds } = snapshot ?? NO_SNAPSHOT;
  const isBehind = lag.seconds >= 1;
  const behind = `lag ${formatSize(lag.bytes)}${isBehind ? ` (${formatTime(lag.seconds)})` : ""}`;
  const first = fitted(columns, [
    [state === "" ? "" : colors.yellow(state), 0],
    [clock(seconds), 3],
    [`${formatCount(eventsPerSecond)} events/s`, 1],
    [isBehind ? colors.yellow(behind) : behind, 2],
    [`${formatCount(events)} events`, 4],
    [attached === undefined ? "" : `QEMU ${oneLine(attached.qemu)}`, 5],
  ]);
  return [first, fitted(columns, verdictParts(snapshot, attached))];
}

const NO_SNAPSHOT = { lag: { bytes: 0, seconds: 0 }, events: 0, eventsPerSecond: 0, seconds: 0 };

function verdictParts(
  snapshot: LiveSnapshot | undefined,
  attached: Attached | undefined,
): [part: string, rank: number][] {
  if (snapshot === undefined) return [["nothing was read yet", 0]];
  const { findings, doubts, alive, counts, damagedLines } = snapshot;
  const { errors, warnings, dropped } = findings;
  const parts: [string, number][] = [
    [(errors > 0 ? colors.red : colors.green)(counted(errors, "mistake")), 0],
    [warnings > 0 ? colors.yellow(counted(warnings, "warning")) : "", 2],
    [doubts.length > 0 ? colors.red(counted(doubts.length, "thing not known", "things not known")) : "", 1],
    [counts.mismatches > 0 ? colors.red(counted(counts.mismatches, "mismatch")) : "", 3],
    [dropped > 0 ? `${formatCount(dropped)} more findings` : "", 4],
    [damagedLines > 0 ? colors.red(counted(damagedLines, "line unreadable", "lines unreadable")) : "", 5],
    [alive === null ? "more is alive than can be kept apart" : "", 6],
    [(alive?.earlierPages ?? 0) > 0 ? `${counted(alive!.earlierPages, "page")} mapped before` : "", 7],
    [(alive?.more ?? 0) > 0 ? `${counted(alive!.more, "pattern")} not shown` : "", 8],
  ];
  if (attached !== undefined) {
    parts.push([`base ${attached.base.kind}`, 9], [`log ${oneLine(attached.log)}`, 10]);
  }
  return parts;
}

/** `1:02:03` */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** Parts in one line; where it is too long, those of the highest rank are left out first. */
function fitted(columns: number, parts: readonly (readonly [part: string, rank: number])[]): string {
  let kept = parts.filter(([part]) => part !== "");
  for (;;) {
    const line = kept.map(([part]) => part).join(GAP);
    if (textWidth(line) <= columns || kept.length <= 1) return line;
    const highest = Math.max(...kept.map(([, rank]) => rank));
    kept = kept.filter(([, rank]) => rank !== highest);
  }
}

function helpLines(body: number): Pick<Drawn, "lines" | "limits"> {
  const width = Math.max(...KEYS.map(([key]) => key.length));
  const lines = KEYS.map(([key, what]) => `${colors.bold(key.padEnd(width))}${GAP}${what}`);
  return { lines: lines.slice(0, body), limits: { most: 0, page: body } };
}

function paneLines(state: ScreenState, columns: number, body: number): Pick<Drawn, "lines" | "limits"> {
  const { keys, snapshot } = state;
  const shown = body < MIN_BODY ? [keys.pane] : PANE_NAMES;
  const rows = new Map(shown.map((name) => [name, rowsOf(name, snapshot, keys)]));
  const heights = heightsOf(rows, keys.pane, body);
  let limits: ScrollLimits = { most: 0, page: 0 };
  const lines = shown.flatMap((name) => {
    const all = rows.get(name)!;
    const page = Math.max(0, heights.get(name)! - 1);
    const most = Math.max(0, all.length - page);
    if (name === keys.pane) limits = { most, page };
    const from = Math.min(keys.scroll[name], most);
    return tableLines(name, all.slice(from, from + page), keys, columns).slice(0, page + 1);
  });
  return { lines: lines.slice(0, body), limits };
}

/** Rows of a pane that the filter takes, in the order that was asked for. */
function rowsOf(name: PaneName, snapshot: LiveSnapshot | undefined, keys: KeyState): readonly PaneRow[] {
  if (snapshot === undefined) return [];
  const wanted = keys.filter.toLowerCase();
  const rows = PANES[name]
    .rows(snapshot)
    .filter(({ cells }) => wanted === "" || cells.some((cell) => cell.toLowerCase().includes(wanted)));
  const { column, down } = keys.sort[name];
  if (column === undefined) return down ? rows.toReversed() : rows;
  const sorted = rows.toSorted((a, b) => compare(a.sort[column]!, b.sort[column]!));
  return down ? sorted.reverse() : sorted;
}

const compare = (a: number | string, b: number | string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Lines of each pane, with its head: what it needs, or else first the least, then the one with the keys, then the others. */
function heightsOf(
  rows: ReadonlyMap<PaneName, readonly PaneRow[]>,
  first: PaneName,
  body: number,
): ReadonlyMap<PaneName, number> {
  const wanted = new Map([...rows].map(([name, { length }]) => [name, 1 + Math.max(1, length)]));
  const heights = new Map([...wanted].map(([name, height]) => [name, Math.min(height, MIN_PANE, body)]));
  let room = body - [...heights.values()].reduce((sum, height) => sum + height, 0);
  for (const name of [first, ...rows.keys()]) {
    const more = Math.max(0, Math.min(room, wanted.get(name)! - heights.get(name)!));
    heights.set(name, heights.get(name)! + more);
    room -= more;
  }
  return heights;
}

/** The head of a pane and some rows, with as many columns as fit. */
function tableLines(
  name: PaneName,
  rows: readonly PaneRow[],
  keys: KeyState,
  columns: number,
): readonly string[] {
  const pane = PANES[name];
  const isFirst = keys.pane === name;
  const { column: sorted, down } = keys.sort[name];
  const heads = pane.columns.map(({ head }, i) => {
    const order = i === sorted ? (down ? "-" : "+") : "";
    return `${i === 0 ? (isFirst ? ">" : " ") : ""}${head}${order}`;
  });
  const cells = rows.map((row) =>
    row.cells.map((cell, i) => (i === 0 ? ` ${oneLine(cell)}` : oneLine(cell))),
  );
  const widths = pane.columns.map(({ least = 0 }, i) =>
    cells.reduce((most, row) => Math.max(most, textWidth(row[i]!)), Math.max(least, heads[i]!.length)),
  );
  const placed = placedColumns(pane.columns, widths, columns);
  const lineOf = (texts: readonly string[]): string =>
    placed
      .map(({ index, width }) => aligned(texts[index]!, width, pane.columns[index]!))
      .join(GAP)
      .trimEnd();
  const head = (isFirst ? colors.reverse : colors.bold)(lineOf(heads).padEnd(isFirst ? columns : 0));
  if (rows.length === 0) return [head, ` ${keys.filter === "" ? pane.none : "no row has the text"}`];
  const lines = cells.map((row, i) => {
    const { mark } = rows[i]!;
    return mark === undefined ? lineOf(row) : colors[mark](lineOf(row));
  });
  return [head, ...lines];
}

/** Which columns are shown, and how wide: those of the highest rank go first; one that is cut takes what is left. */
function placedColumns(
  columns: readonly { readonly rank: number; readonly isCut?: boolean }[],
  widths: readonly number[],
  room: number,
): { readonly index: number; readonly width: number }[] {
  let placed = columns.map(({ rank, isCut = false }, index) => ({
    index,
    rank,
    isCut,
    width: isCut ? Math.min(widths[index]!, MIN_CUT) : widths[index]!,
  }));
  const taken = (): number =>
    placed.reduce((sum, { width }) => sum + width, GAP.length * Math.max(0, placed.length - 1));
  while (taken() > room) {
    const highest = Math.max(...placed.map(({ rank }) => rank));
    if (highest === 0) break;
    placed = placed.filter(({ rank }) => rank !== highest);
  }
  const left = room - taken();
  return placed.map(({ index, isCut, width }) => ({
    index,
    width: isCut ? Math.min(widths[index]!, width + Math.max(0, left)) : width,
  }));
}

function footLine(keys: KeyState, columns: number, { most, page }: ScrollLimits, lines: number): string {
  if (keys.isTyping) return `show rows with: ${oneLine(keys.filter)}_`;
  const at = Math.min(keys.scroll[keys.pane], most);
  const rows = most > 0 ? `rows ${at + 1} to ${at + page} of ${most + page}` : "";
  const filter = keys.filter === "" ? "" : colors.yellow(`only rows with "${oneLine(keys.filter)}"`);
  return fitted(columns, [
    [filter, 1],
    [lines > 0 && !keys.isHelp ? rows : "", 3],
    ["q quit", 0],
    ["h help", 2],
    ["Tab pane", 4],
    ["s sort", 5],
    ["r reverse", 8],
    ["p hold", 6],
    ["/ filter", 7],
  ]);
}
